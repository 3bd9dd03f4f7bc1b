"""What the parts of gpu.py share: sizes, programs, models, texts, and rows without a figure.

Who imports a part has imported `measured` before, which tells where parity is.
"""

import dataclasses
import os
import shutil
import statistics
import subprocess
import sys
import time

import numpy as np
from parity import generated_texts
from parity.program import AttuneFailed

from gpu_parts import devices, models, peer_runs

LOSS_SHARE = 0.02  # of max(loss, 0.2): what two bf16 runs may differ by


class NotMeasured(Exception):
    """A row that has no figure, and why."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    tokens: int = 32768
    warm_up: int = 4
    max_length: int = 256
    passages: tuple = (24, 320)  # words, log-uniform
    large: int = 65536
    large_words: tuple = (8, 64)
    large_chunk: int = 65536  # tokens
    beside: int = 4096  # pairs that show what the large batch's loss takes
    memory: tuple = (64, 512, 4096, 16384, 65536)
    mini_batches: tuple = (256, 1024)  # of the peer's cached loss
    adapter_pairs: int = 100_000
    adapter_batch: int = 1024
    adapter_epochs: int = 50  # timed ones, after one that is not
    engine_pairs: int = 200  # for the peer's engine as it is, text by text
    encode_texts: tuple = (("base", 40_000), ("bge-base", 10_000))
    product: int = 8192


TINY = Sizes(
    tokens=256,
    warm_up=1,
    max_length=48,
    passages=(8, 40),
    large=32,
    large_words=(4, 12),
    large_chunk=128,
    beside=16,
    memory=(8, 32),
    mini_batches=(8, 16),
    adapter_pairs=64,
    adapter_batch=16,
    adapter_epochs=200,
    engine_pairs=8,
    encode_texts=(("base", 64),),
    product=256,
)


class Bench:
    """What the parts share: programs, models, time left."""

    def __init__(self, options, attune):
        self.options, self.attune, self.sizes = options, attune, options.sizes
        self.device = options.device
        self.ends = time.monotonic() + options.seconds
        self.tried = []  # (row, Tried) for the report
        self.chosen = {}  # the peer's setting of a training row
        self.trained = set()  # models that attune has trained
        shapes = models.TINY if options.tiny else models.PUBLISHED
        self.shapes = shapes | {"base": models.shape_of(options.base)}
        self.rate = models.product_rate(self.device, self.sizes.product)

    def left(self):
        return self.ends - time.monotonic()

    def need(self, seconds):
        if self.left() < seconds and not self.options.tiny:
            raise NotMeasured(f"no time left (about {seconds} s)")

    def model(self, name):
        if name == "base":
            return self.options.base
        return models.make(self.options.work / "models", self.shapes[name], self.options.base)

    def say(self, text):
        print(text, file=sys.stderr, flush=True)

    def attune_run(self, base, data, settings, **more):
        """(TrainedRun, peak bytes on the device); the run's folder is deleted."""
        peer_runs.free(self.device)
        self.attune.timeout = max(60, min(600, self.left()))
        with devices.Memory(self.device) as memory:
            try:
                run = self.attune.train(base, data, settings, **more)
            except subprocess.TimeoutExpired as failure:
                raise AttuneFailed(f"attune train took more than {failure.timeout:.0f} s") from None
        shutil.rmtree(run.directory, ignore_errors=True)
        return run, memory.peak_bytes


def texts(random, count, words, start):
    """Distinct texts of words of the base's vocabulary, as short as long ones."""
    vocabulary = np.array(sorted(set(generated_texts.COMMON)))
    low, high = words
    lengths = np.exp(random.uniform(np.log(low), np.log(high), count)).astype(int)
    drawn = vocabulary[random.integers(len(vocabulary), size=int(lengths.sum()))]
    ends = np.cumsum(lengths)
    return [
        " ".join([*drawn[e - n : e], str(start + i)]) for i, (e, n) in enumerate(zip(ends, lengths))
    ]


def pairs(seed, count, words):
    """Rows (query, passage), no two alike; a query has three words of its passage."""
    random = np.random.default_rng(seed)
    passages = texts(random, count, words, 0)
    queries = texts(random, count, (3, 12), count)
    return [
        (" ".join([*passage.split()[:3], query]), passage)
        for query, passage in zip(queries, passages)
    ]


def lengths_of(base, texts_, limit):
    from tokenizers import Tokenizer

    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.enable_truncation(limit)
    tokenizer.no_padding()
    return [len(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts_)]


def over_rounds(values):
    """There are too few rounds for quartiles."""
    median = statistics.median(values)
    return {"median": median, "low": min(values), "high": max(values), "count": len(values)}


def attune_seconds(run, warm_up):
    """A step, over the counted ones: a sum, as single steps may be told late."""
    return statistics.fmean(run.column("seconds")[warm_up:])


def told(run, name, how):
    """A figure that attune may tell in its steps or at the end; None where it does not."""
    metrics = run.result.get("metrics", {})
    if name in metrics:
        return metrics[name]
    values = [step[name] for step in run.steps if name in step]
    return how(values) if values else None
