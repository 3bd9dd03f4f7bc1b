"""Embedding texts in bf16, tokenisation included."""

import json
import statistics

import numpy as np

from gpu_parts import models, peer_runs
from gpu_parts.bench import NotMeasured, lengths_of, over_rounds, texts


def encode(bench, name, count):
    bench.need(40)
    sizes, base = bench.sizes, bench.model(name)
    words = np.random.default_rng(11)
    every = texts(words, count, sizes.passages, 0)
    lengths = lengths_of(base, every, sizes.max_length)
    source, out = bench.options.work / "encode.jsonl", bench.options.work / "encode.npy"
    source.write_text("".join(json.dumps(text) + "\n" for text in every), encoding="utf-8")
    tried, encoders = [], {}
    compiled = () if bench.options.no_compile else (True,)
    ways = [(False, size) for size in peer_runs.ENCODE_BATCHES]
    for one in compiled:
        ways += [(one, size) for size in peer_runs.ENCODE_BATCHES[-1:]]

    def measure(way):
        # One model of each kind, as compiling is not what is timed.
        if way.compiled not in encoders:
            encoders[way.compiled] = peer_runs.Encoder(
                base, bench.device, sizes.max_length, way.compiled
            )
        encoders[way.compiled](every[: count // 4], way.workers)  # warm
        return encoders[way.compiled](every, way.workers)[1]

    ways = [
        peer_runs.Setting(
            f"SDPA{', compiled' if one else ''}, batches of {size}", compiled=one, workers=size
        )
        for one, size in ways
    ]
    tried = peer_runs.try_each(ways, measure, bench.device, bench.left)
    bench.tried += [(f"encode, {name}", one) for one in tried]
    best = peer_runs.best(tried)
    seconds = {"peer": [], "attune": []}
    for number in range(bench.options.rounds):
        for who in ("peer", "attune") if number % 2 == 0 else ("attune", "peer"):
            if who == "peer":
                reference, spent = encoders[best.compiled](every, best.workers)
            else:
                command = f"embed --precision bf16 --device {bench.device} --json".split()
                command += ["--max-length", sizes.max_length, "--model", base]
                said = bench.attune.run(*command, "--input", source, "--output", out)
                spent = json.loads(said.splitlines()[-1])["seconds"]
                vectors = np.load(out, allow_pickle=False)
            seconds[who].append(spent)
            bench.say(f"  round {number + 1}, {who}: {spent:.3f} s")
    encoders.clear()
    peer_runs.free(bench.device)
    apart = farthest(vectors, reference)
    if not apart <= 2e-2:
        raise NotMeasured(f"1 - cosine of the two programs' vectors is up to {apart:.3g}")
    tokens, shape = sum(lengths), bench.shapes[name]
    own = statistics.median(seconds["attune"])
    return {
        "name": name,
        "texts": count,
        "tokens": tokens,
        "setting": best.name,
        "seconds": seconds,
        "ratio": over_rounds([p / a for p, a in zip(seconds["peer"], seconds["attune"])]),
        "tokens/s": {who: tokens / statistics.median(values) for who, values in seconds.items()},
        "share": sum(models.forward_flops(shape, n) for n in lengths) / own / bench.rate,
        "apart": apart,
    }


def farthest(vectors, reference):
    a, b = vectors.astype(np.float64), np.asarray(reference).astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float((1 - (a * b).sum(axis=1) / norms).max())
