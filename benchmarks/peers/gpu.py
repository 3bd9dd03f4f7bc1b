#!/usr/bin/env python3
"""Everything that is claimed of a GPU, in one run and one report.

    python3 benchmarks/peers/gpu.py --attune build/gpu/attune --base DIR [--only train] [--help]
    .venv/bin/python benchmarks/peers/gpu.py --tiny --device cpu     # shows only that it runs

Parts: train (whole steps in bf16, mixed lengths, against sentence-transformers), large (a batch of
65,536 pairs, and memory against the batch), adapter (100,000 cached pairs, against LlamaIndex's
loop), encode, profile (kernels of both). Programs take turns, every ratio is of one round. The peer
comes in the best of several settings, each of which is tried first (gpu_parts/peer_runs.py). A row
for which --seconds leaves no time, or which a program cannot run, says so; no figure stands for
another. On SIGTERM what is there is reported.
"""

import argparse
import dataclasses
import gc
import json
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import measured

import torch

from gpu_parts import adapter, encode, kernels, large, models, peer_runs, report, training
from gpu_parts.bench import TINY, Bench, NotMeasured, Sizes
from parity.program import AttuneFailed

PARTS = ("train", "large", "adapter", "encode", "profile")


class Stopped(BaseException):
    """SIGTERM: what is measured so far is reported, and nothing else is begun."""


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument(
        "--tiny", action="store_true", help="tiny models and sets: only that it runs"
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rounds", type=int, default=3, help="also seeds; at least 2")
    parser.add_argument("--seconds", type=float, default=1e9, help="after which no row is begun")
    parser.add_argument(
        "--no-compile", action="store_true", help="do not try the peer's torch.compile"
    )
    measured.add_options(parser)
    options = parser.parse_args(arguments)
    if options.rounds < 2:
        parser.error("--rounds must be at least 2: the spread over seeds needs them")
    if options.device == "cpu" and not options.tiny:
        parser.error("--device cpu only goes with --tiny")
    options.sizes = TINY if options.tiny else Sizes()
    return options


def guarded(bench, name, call, *arguments):
    """call(...), or a row that says why there is no figure."""
    bench.say(f"{name} ({bench.left():.0f} s left)")
    try:
        return call(bench, *arguments)
    except (NotMeasured, AttuneFailed, ValueError, torch.cuda.OutOfMemoryError) as failure:
        said = measured.told(failure)
        bench.say(f"  not measured: {said}")
        return {"name": name, "said": said}
    finally:
        gc.collect()
        peer_runs.free(bench.device)


def measure(bench, options, found):
    """Fills found, part by part."""
    if "train" in options.only:
        found["train"] = []
        kept_back = 45 if "profile" in options.only else 0
        bench.ends -= kept_back
        for work in training.TRAINING:
            if options.tiny and work.name not in training.TINY_TRAINING:
                continue
            goals = {"goal": work.goal, "share goal": work.share_goal}
            found["train"].append(guarded(bench, work.name, training.train_row, work) | goals)
            keep(options, found)
        bench.ends += kept_back
    if "profile" in options.only:
        found["profile"] = guarded(bench, "profile", kernels.profiles)
    if "large" in options.only:
        found["large"] = guarded(bench, "large batch", large.large)
        keep(options, found)
    if "adapter" in options.only:
        found["adapter"] = guarded(bench, "adapter", adapter.adapter)
        keep(options, found)
    if "encode" in options.only:
        found["encode"] = []
        for name, count in bench.sizes.encode_texts:
            found["encode"].append(guarded(bench, name, encode.encode, name, count))
            keep(options, found)
    if "large" in options.only:
        found["memory"] = guarded(bench, "memory", large.memory)


def keep(options, found):
    """What is there so far, should the run be stopped."""
    path = options.reports / "gpu-unfinished.json"
    path.write_text(json.dumps(found, default=str) + "\n", encoding="utf-8")


def stop(*_):
    raise Stopped


def main(arguments=None):
    options = parse(arguments)
    error = measured.check(options, "gpu")
    if not error and options.device == "cuda" and not torch.cuda.is_available():
        error = "there is no GPU here; --tiny --device cpu shows that this program runs"
    if error:
        print(error, file=sys.stderr)
        return 2
    options.reports.mkdir(parents=True, exist_ok=True)
    if options.tiny:
        options.base = models.make(
            options.work / "models",
            dataclasses.replace(models.TINY["bge-base"], name="tiny", pooling="mean"),
            options.base,
        )
    attune, facts = measured.begin(options)
    bench = Bench(options, attune)
    before, found, stopped = bench.rate, {}, False
    signal.signal(signal.SIGTERM, stop)
    try:
        measure(bench, options, found)
    except Stopped:
        stopped = True
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    facts["base"] = "tiny" if options.tiny else options.base_name
    if options.device == "cuda":
        facts["GPU"] = torch.cuda.get_device_name()
    size = bench.sizes.product
    after = models.product_rate(options.device, size)
    for when, rate in (("before", before), ("after", after)):
        facts[f"bf16 product of {size}, {when}, TFLOP/s"] = f"{rate / 1e12:.3g}"
    if stopped:
        facts["stopped"] = "before the end, from outside: rows are missing"
    lines = report.page(options, facts, bench, found)
    name = "gpu" if set(options.only) == set(PARTS) else "gpu-" + "-".join(options.only)
    raw = {"facts": facts, "measurements": report.measurements(found)} | found
    path = measured.write_report(options.reports, name, lines, raw)
    (options.reports / "gpu-unfinished.json").unlink(missing_ok=True)
    measured.tell(path, lines)
    return 1 if stopped else 0


if __name__ == "__main__":
    sys.exit(main())
