#!/usr/bin/env python3
"""Peak memory and time a pair of large batches: attune against sentence-transformers' cached loss.

    .venv/bin/python benchmarks/peers/memory.py [--batches 64 512 4096] [--help]

Trains `--steps` steps on MedQuAD's pairs, cut to `--max-length` tokens, each configuration in a
process of its own whose peak is the kernel's VmHWM. attune chooses its chunks by itself
(train.chunk_tokens: 0) and, once more, computes layers again in backward (train.recompute). The
peer is SentenceTransformerTrainer with CachedMultipleNegativesRankingLoss and its default
mini-batches of 32. Beside attune's peak stands what `attune train --dry-run` said before. A time is
that of the steps alone.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import measured

import yaml

from parity import corpora, generated_texts, peer_training
from parity.program import AttuneFailed

PROGRAMS = ("attune", "recompute", "peer")  # the second is attune with train.recompute
DATA = "medquad/retrieval/train.json"


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 512, 4096])
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--max-length", type=int, default=64)
    parser.add_argument(
        "--programs",
        nargs="+",
        choices=PROGRAMS,
        default=list(PROGRAMS),
        help="which of them to measure",
    )
    parser.add_argument("--peer-batch", type=int, help=argparse.SUPPRESS)  # inside the child
    measured.add_options(parser)
    return parser.parse_args(arguments)


def settings(options, batch_size):
    return peer_training.Settings(
        batch_size=batch_size,
        max_steps=options.steps,
        max_length=options.max_length,
        dropout=None,
    )


def peak_mib():
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return None


def peer_step(options):
    """In a process of its own: one JSON line on stdout."""
    from sentence_transformers.sentence_transformer.losses import (
        CachedMultipleNegativesRankingLoss,
    )

    peer_training.quiet()
    peer_training.set_threads(options.threads)
    rows = corpora.training_rows(DATA)[: options.peer_batch * options.steps]
    run = peer_training.train(
        options.base,
        rows,
        settings(options, options.peer_batch),
        loss=CachedMultipleNegativesRankingLoss,
    )
    seconds = statistics.median(run.seconds)
    print(json.dumps({"peak MiB": peak_mib(), "seconds": seconds, "tokens": run.tokens[-1]}))


def run_peer(options, batch_size):
    command = [sys.executable, __file__, "--peer-batch", str(batch_size)]
    for name in ("steps", "max_length", "threads", "base"):
        command += ["--" + name.replace("_", "-"), str(getattr(options, name))]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    if done.returncode != 0:
        return {"failed": f"exit code {done.returncode}: {done.stderr.strip()[-300:]}"}
    return json.loads(done.stdout.strip().splitlines()[-1])


def run_attune(options, attune, data, batch_size, recompute):
    """(measured, what the dry run said)"""
    place = options.work / f"attune_{batch_size}{'_recompute' if recompute else ''}"
    config = {
        "version": 1,
        "name": place.name,
        "device": "cpu",
        "output": str(place),
        "data": {"train": str(data)},
        "model": {"base": str(options.base), "max_length": options.max_length},
        "train": {
            "batch_size": batch_size,
            "max_steps": options.steps,
            "sampler": "default",
            "recompute": recompute,
        },
    }
    path = place.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    told = json.loads(attune.run("train", path, "--dry-run", "--json"))
    out = json.loads(attune.run("train", path, "--overwrite", "--json").splitlines()[-1])
    lines = (place / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [event for event in map(json.loads, lines) if event["event"] == "step"]
    return {
        "peak MiB": out["metrics"]["peak_memory_mib"],
        "seconds": statistics.median(step["seconds"] for step in steps),
        "tokens": steps[-1]["tokens"],
        "loss": steps[-1]["loss"],
        "chunk tokens": told["chunk_tokens"],
        "told MiB": told["memory_bytes"] / 2**20,
        "told seconds": told["training_seconds"] / told["steps"],
        "bytes a token": told["bytes_per_token"],
    }


def measure(options, attune):
    rows = corpora.training_rows(DATA)[: max(options.batches) * options.steps]
    data, _ = generated_texts.write_rows(options.work, "train", rows)
    results = []
    for batch_size in options.batches:
        for who in options.programs:
            result = (
                run_peer(options, batch_size)
                if who == "peer"
                else run_attune(options, attune, data, batch_size, who == "recompute")
            )
            results.append({"program": who, "batch": batch_size} | result)
            print(results[-1], file=sys.stderr, flush=True)
    return results


def row(result):
    if "failed" in result:
        return (result["program"], result["batch"], "-", result["failed"], "-", "-", "-")
    chunks = result.get("chunk tokens")
    return (
        result["program"],
        result["batch"],
        result["tokens"],
        "mini-batches of 32" if chunks is None else f"{chunks} tokens" if chunks else "none",
        f"{result['peak MiB']:.0f}",
        f"{result['told MiB']:.0f}" if chunks is not None else "-",
        f"{1000 * result['seconds'] / result['batch']:.1f}",
    )


def report(options, facts, results):
    lines = [
        f"# Memory of large batches ({facts['date']})",
        "",
        f"{options.steps} step(s) of all-MiniLM-L6-v2 on MedQuAD's pairs, cut to "
        f"{options.max_length} tokens, fp32, dropout on; every row a process of its own, its peak "
        "the kernel's VmHWM, LibTorch's libraries included.",
        "",
    ]
    heads = ("program", "pairs in the batch", "tokens", "chunks", "peak, MiB", "dry run said, MiB")
    lines += measured.table((*heads, "ms a pair"), map(row, results))
    for r in results:
        if r.get("chunk tokens"):
            whole = r["tokens"] * r["bytes a token"] / 2**30
            kept = r["bytes a token"] / 2**10
            lines += [
                "",
                f"{r['program']}, {r['batch']} pairs: at once they would take {whole:.1f} GiB "
                f"({kept:.0f} KiB a token).",
            ]
    lines += ["", "## Where", ""]
    lines += measured.table(("what", "value"), [*facts.items(), ("base", options.base_name)])
    raw = {"facts": facts, "measurements": [], "results": results}
    return measured.write_report(options.reports, "memory", lines, raw), lines


def main(arguments=None):
    options = parse(arguments)
    if options.peer_batch:
        peer_step(options)
        return 0
    error = measured.check(options, "memory")
    if not error and corpora.find(DATA) is None:
        error = f"{DATA} is not in the shared data beside the repository"
    if error:
        print(error, file=sys.stderr)
        return 2
    attune, facts = measured.begin(options)
    attune.timeout = None
    try:
        results = measure(options, attune)
    except AttuneFailed as failure:
        print(f"no measurement: {failure}", file=sys.stderr)
        return 1
    path, lines = report(options, facts, results)
    measured.tell(path, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
