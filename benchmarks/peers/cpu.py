#!/usr/bin/env python3
"""Everything that is claimed of the processor, in one run and one report.

    .venv/bin/python benchmarks/peers/cpu.py [--rounds 5] [--only train encode growth start]

Training steps against sentence-transformers (sentence_transformers/run.py), embedding against it,
ONNX Runtime and CTranslate2 (encode.py), growth with the number of pairs, and time to start. Every
ratio comes from rounds in which the programs took turns. The goals are those of the project's
tracker; a goal that is missed is printed as missed. Needs the shared data sets beside the
repository and an otherwise idle machine.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[0] / "sentence_transformers"))
import measured

import run as training_steps
from parity import corpora, peer_training
from parity.program import AttuneFailed

TEN_K = "finetune_embedding/retrieval/train.json"
MEDQUAD = "medquad/retrieval/train.json"
# (what, data, goal of the speed-up, options of training_steps)
TRAINING = [
    ("fp32, 10-K, dropout 0", TEN_K, 2, []),
    ("fp32, 10-K, dropout 0.1", TEN_K, 3.5, ["--dropout", "0.1"]),
    ("fp32, MedQuAD, dropout 0", MEDQUAD, 3, []),
    ("fp32, MedQuAD, dropout 0.1", MEDQUAD, 4.5, ["--dropout", "0.1"]),
    ("fp32, 10-K, dropout 0; peer: medium", TEN_K, 1.5, ["--peer-matmul", "medium"]),
    ("bf16, 10-K, dropout 0", TEN_K, 2, ["--precision", "bf16"]),
    ("bf16, 10-K, dropout 0.1", TEN_K, 2, ["--precision", "bf16", "--dropout", "0.1"]),
]
GROWTH = [10**3, 10**4, 10**5, 10**6]


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8, help="of one training run")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--texts", type=int, default=1000, help="to embed")
    parts = ("train", "encode", "growth", "start")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    measured.add_options(parser)
    return parser.parse_args(arguments)


def train(options, attune, peaks):
    rows, measurements, raw = [], [], {}
    for name, data, goal, more in TRAINING:
        print(f"training, {name}", file=sys.stderr)
        steps = training_steps.parse(
            [
                *("--rounds", str(options.rounds), "--steps", str(options.steps)),
                *("--warm-up", "2", "--batch-size", str(options.batch_size)),
                *("--data", str(corpora.find(data)), "--threads", str(options.threads)),
                *more,
            ]
        )
        steps.base, steps.base_name, steps.work = options.base, options.base_name, options.work
        compared = training_steps.compare(steps, attune)
        raw[name] = compared
        measurements.append(training_steps.measurement(f"training step, {name}", compared))
        result, ratio = compared["summary"], compared["summary"]["speed-up"]
        share = {
            who: measured.share_of_peak(
                result[who]["tokens/s"], peaks[compared["settings"]["precision"]], passes=3
            )
            for who in ("peer", "attune")
        }
        worst = compared["worst loss difference"]
        rows.append(
            (
                name,
                f">= {goal}",
                f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})",
                "met" if ratio["median"] >= goal else "missed",
                *(f"{result[who]['tokens/s']:.0f}" for who in ("peer", "attune")),
                f"{100 * result['padding share']:.0f} %",
                *(f"{share[who]:.0%}" for who in ("peer", "attune")),
                f"{ratio['median'] / share['attune']:.2f}",
                "drawn apart" if compared["settings"]["dropout"] else f"{worst:.1g}",
                result["peak memory, MiB"],
            )
        )
        print(" | ".join(map(str, rows[-1])), file=sys.stderr)
    heads = ("training step", "goal", "speed-up, median (quartiles)", "", "peer, real tokens/s")
    heads += ("attune, real tokens/s", "peer's padding", "peer, share of peak")
    heads += ("attune, share of peak", "speed-up at the peak", "losses differ by")
    heads += ("attune, peak MiB",)
    return measured.table(heads, rows), measurements, raw


def synthetic_pairs(path, count):
    """Pairs of some twenty words, no two alike."""
    words = ["bridge", "river", "valve", "ledger", "orbit", "kernel", "harvest", "tariff", "lens"]

    def text(i, length):
        return " ".join(words[(i * 7 + j * j) % len(words)] for j in range(length)) + f" {i}"

    data = {
        "queries": {f"q{i}": text(i, 6) for i in range(count)},
        "corpus": {f"d{i}": text(i, 14) for i in range(count)},
        "relevant_docs": {f"q{i}": [f"d{i}"] for i in range(count)},
    }
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def growth(options, attune):
    rows = []
    for count in GROWTH:
        path = synthetic_pairs(options.work / f"pairs-{count}.json", count)
        settings = peer_training.Settings(batch_size=32, max_steps=30, dropout=0.1)
        run = attune.train(options.base, path, settings)
        size = path.stat().st_size / 2**20
        path.unlink()
        seconds = run.column("seconds")[5:]
        rows.append(
            (
                f"{count:,}",
                f"{1000 * statistics.median(seconds) / settings.batch_size:.2f}",
                f"{size:.1f}",
                run.result["metrics"]["peak_memory_mib"],
            )
        )
        print(" | ".join(map(str, rows[-1])), file=sys.stderr)
    return measured.table(("pairs", "ms a pair, median", "data set, MiB", "peak memory, MiB"), rows)


def seconds_to_first_step(options, data):
    """From the start of the process to the first line of metrics.jsonl."""
    config = options.work / "start.yaml"
    output = options.work / f"start-{time.monotonic_ns()}"
    config.write_text(
        json.dumps(
            {
                "version": 1,
                "name": "start",
                "output": str(output),
                "data": {"train": str(data)},
                "model": {"base": str(options.base), "max_length": 128},
                "train": {"batch_size": 32, "max_steps": 2},
            }
        ),
        encoding="utf-8",
    )
    began = time.perf_counter()
    process = subprocess.Popen(
        [options.attune, "train", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    metrics = output / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.005)
    seconds = time.perf_counter() - began
    if process.wait() != 0:
        raise AttuneFailed("attune train ended with an error")
    return seconds


def start(options):
    def help_seconds():
        began = time.perf_counter()
        subprocess.run([options.attune, "--help"], stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - began

    data = synthetic_pairs(options.work / "start.json", 10_000)
    times = {
        ("`attune --help`", 0.1): [help_seconds() for _ in range(20)],
        ("first step, 10,000 pairs", 3): [
            seconds_to_first_step(options, data) for _ in range(options.rounds)
        ],
    }
    rows = [
        (
            what,
            f"< {goal} s",
            f"{statistics.median(values):.3f} s",
            "met" if statistics.median(values) < goal else "missed",
        )
        for (what, goal), values in times.items()
    ]
    return measured.table(("start", "goal", "median", ""), rows)


def main(arguments=None):
    options = parse(arguments)
    error = measured.check(options, "cpu")
    missing = [name for name in (TEN_K, MEDQUAD) if corpora.find(name) is None]
    if not error and missing:
        error = f"{', '.join(missing)}: not in the shared data beside the repository"
    if error:
        print(error, file=sys.stderr)
        return 2
    attune, facts = measured.begin(options)
    peaks = measured.product_peaks()
    facts |= {f"product's peak, {name}, GFLOP/s": round(peak) for name, peak in peaks.items()}
    lines = [
        f"# On the processor: attune against its peers ({facts['date']})",
        "",
        f"{options.rounds} rounds, in which the programs took turns. A speed-up is the peer's time "
        "over attune's, the median over the rounds. Shares of the peak count the products of the "
        "layers for real tokens only (no attention, no padding) against a square product measured "
        "before. The speed-up at the peak is what attune would reach if these products ran at it "
        "and everything else took no time: a goal above it is out of this processor's reach.",
        "",
    ]
    measurements, raw = [], {}
    try:
        if "train" in options.only:
            table, found, raw["training"] = train(options, attune, peaks)
            lines += ["## Training", "", *table, ""]
            measurements += found
        if "encode" in options.only:
            import encode

            table, found, raw["encoding"] = encode.compare(options, attune, peaks)
            lines += ["## Embedding", "", *table, ""]
            measurements += found
        if "growth" in options.only:
            lines += ["## Growth", "", *growth(options, attune), ""]
        if "start" in options.only:
            lines += ["## Start", "", *start(options), ""]
    except (AttuneFailed, training_steps.DifferentWork, ValueError) as failure:
        print(f"no comparison: {failure}", file=sys.stderr)
        return 1
    lines += ["## Where and how", ""]
    how = {
        "base": options.base_name,
        "batch": options.batch_size,
        "steps of a run": f"{options.steps}, the first 2 left out",
        "tokens at most": 256,
    }
    lines += measured.table(("what", "value"), list(facts.items()) + list(how.items()))
    path = measured.write_report(
        options.reports, "cpu", lines, {"facts": facts, "measurements": measurements} | raw
    )
    measured.tell(path, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
