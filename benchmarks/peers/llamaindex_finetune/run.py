#!/usr/bin/env python3
"""LlamaIndex's full finetuning against `attune train` on the 10-K set: quality over seeds, time a
pair.

    .venv/bin/python benchmarks/peers/llamaindex_finetune/run.py [--seeds 42 43 44] [--help]

The peer is what SentenceTransformersFinetuneEngine (llama-index-finetuning 0.4.2) does: that
package cannot be installed beside these peers, so its few lines are written out here:
InputExamples of each query and its first passage, a shuffled DataLoader,
MultipleNegativesRankingLoss, warm-up over 10 % of the steps, and SentenceTransformer.fit with its
defaults (AdamW 2e-5, decay 0.01, WarmupLinear, clip 1, dropout on), without evaluation. attune
gets the same settings. Both artifacts are measured by the same InformationRetrievalEvaluator on
the validation split. Which program goes first alternates.
"""

import argparse
import contextlib
import pathlib
import shutil
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import measured

import torch
from sentence_transformers import InputExample, SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch.utils.data import DataLoader
from transformers import set_seed

from parity import corpora, embeddings, generated_texts, metrics, peer_training
from parity.program import AttuneFailed

TRAIN, VALIDATION = (
    "finetune_embedding/retrieval/train.json",
    "finetune_embedding/retrieval/val.json",
)
SHOWN = ("hit_rate@5", "mrr@10", "ndcg@10")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[42, 43, 44], help="one run of each program each"
    )
    parser.add_argument(
        "--steps", type=int, default=0, help="only so many steps, to try it; 0: all epochs"
    )
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--learning-rate", type=float, default=2e-5)
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument(
        "--sampler",
        choices=("default", "no_duplicates"),
        default="default",
        help="attune's; default is the peer's order",
    )
    measured.add_options(parser)
    return parser.parse_args(arguments)


@contextlib.contextmanager
def seeded_arguments(seed, steps):
    """`fit` fixes TrainingArguments' seed and steps; here both are given."""
    import sentence_transformers.sentence_transformer.fit_mixin as fit_mixin

    original = fit_mixin.SentenceTransformerTrainingArguments

    def made(**keys):
        keys |= {"seed": seed, "report_to": "none", "use_cpu": True, "dataloader_pin_memory": False}
        if steps:
            keys["max_steps"] = steps
        return original(**keys)

    fit_mixin.SentenceTransformerTrainingArguments = made
    try:
        yield
    finally:
        fit_mixin.SentenceTransformerTrainingArguments = original


def train_peer(options, rows, seed, place):
    """The engine's finetune(); returns seconds of the call."""
    set_seed(seed)
    model = SentenceTransformer(
        str(options.base), device="cpu", model_kwargs={"dtype": torch.float32}
    )
    model.max_seq_length = options.max_length
    loader = DataLoader(
        [InputExample(texts=list(row)) for row in rows], batch_size=options.batch_size, shuffle=True
    )
    warm_up = int(len(loader) * options.epochs * 0.1)
    loss = MultipleNegativesRankingLoss(model)
    with seeded_arguments(seed, options.steps), contextlib.chdir(options.work):
        began = time.perf_counter()
        model.fit(
            train_objectives=[(loader, loss)],
            epochs=options.epochs,
            warmup_steps=warm_up,
            optimizer_params={"lr": options.learning_rate},
            evaluation_steps=0,
            output_path=str(place),
            show_progress_bar=False,
        )
        return time.perf_counter() - began


def train_attune(options, attune, data, seed):
    """(artifact, seconds of the whole command, seconds of its steps)."""
    settings = peer_training.Settings(
        seed=seed,
        epochs=options.epochs,
        batch_size=options.batch_size,
        max_steps=options.steps,
        learning_rate=options.learning_rate,
        max_length=options.max_length,
        dropout=None,
        sampler=options.sampler,
    )
    began = time.perf_counter()
    run = attune.train(options.base, data, settings)
    return run.artifact, time.perf_counter() - began, sum(run.column("seconds"))


def quality(model, held_out):
    peer = embeddings.peer_of(model)
    peer.similarity_fn_name = "cosine"
    values = metrics.evaluator(held_out["queries"], held_out["corpus"], held_out["relevant_docs"])(
        peer
    )
    return metrics.attune_names(values)


def measure(options, attune, rows, data, held_out):
    pairs = len(rows) * options.epochs if not options.steps else options.steps * options.batch_size
    runs = []
    for number, seed in enumerate(options.seeds):
        for who in ("peer", "attune") if number % 2 == 0 else ("attune", "peer"):
            if who == "peer":
                model = options.work / f"peer_{seed}"
                shutil.rmtree(model, ignore_errors=True)
                seconds = steps = train_peer(options, rows, seed, model)
            else:
                model, seconds, steps = train_attune(options, attune, data, seed)
            runs.append(
                {
                    "program": who,
                    "seed": seed,
                    "seconds": seconds,
                    "step seconds": steps,
                    "seconds/pair": seconds / pairs,
                    "metrics": quality(model, held_out),
                }
            )
            shown = ", ".join(f"{name} {runs[-1]['metrics'][name]:.4f}" for name in SHOWN)
            print(f"{who}, seed {seed}: {seconds:.0f} s, {shown}", file=sys.stderr, flush=True)
    return runs


def verdict(runs):
    """Per metric: whether attune's mean is not below the peer's by more than the seeds' spread."""
    result = {}
    for name in SHOWN:
        values = {
            who: [r["metrics"][name] for r in runs if r["program"] == who]
            for who in ("peer", "attune")
        }
        means = {who: statistics.mean(v) for who, v in values.items()}
        room = max(max(v) - min(v) for v in values.values())
        result[name] = {
            "values": values,
            "means": means,
            "room": room,
            "holds": means["attune"] >= means["peer"] - room,
        }
    pace = {
        who: statistics.median(r["seconds/pair"] for r in runs if r["program"] == who)
        for who in ("peer", "attune")
    }
    result["seconds/pair"] = pace | {"holds": pace["attune"] <= pace["peer"]}
    return result


def report(options, facts, base, runs, result):
    lines = [
        f"# Full finetuning on the 10-K set: attune against LlamaIndex's engine ({facts['date']})",
        "",
        f"{len(options.seeds)} seeds each, interleaved; {options.epochs} epochs, batch "
        f"{options.batch_size}, "
        f"learning rate {options.learning_rate:g}, {options.max_length} tokens, dropout on"
        + (f", cut to {options.steps} steps" if options.steps else "")
        + ". The peer is its engine's call of "
        "SentenceTransformer.fit, written out (the package cannot be installed beside these "
        "versions). Quality: "
        "one InformationRetrievalEvaluator for both, validation split.",
        "",
    ]
    cells = [("base", "-", *(f"{base[name]:.4f}" for name in SHOWN), "-")]
    for who in ("peer", "attune"):
        means = []
        for name in SHOWN:
            v = result[name]["values"][who]
            means.append(f"{statistics.mean(v):.4f} ({min(v):.4f} to {max(v):.4f})")
        cells.append((who, len(options.seeds), *means, f"{result['seconds/pair'][who]:.4f}"))
    lines += measured.table(
        (
            "program",
            "seeds",
            *(f"{name}, mean (range)" for name in SHOWN),
            "seconds a pair, median",
        ),
        cells,
    )
    lines += [""]
    for name in SHOWN:
        r = result[name]
        lines += [
            f"- {name}: attune {r['means']['attune'] - r['means']['peer']:+.4f} against the "
            "peer; spread of "
            f"seeds {r['room']:.4f}: {'holds' if r['holds'] else 'FAILS'}"
        ]
    pace = result["seconds/pair"]
    lines += [
        f"- time a pair: {pace['attune'] / pace['peer']:.2f} of the peer's (attune's is the "
        "whole command, its "
        f"start, reading and writing included): {'holds' if pace['holds'] else 'FAILS'}",
        "",
        "## Runs",
        "",
    ]
    lines += measured.table(
        ("program", "seed", "seconds", *SHOWN),
        [
            (
                r["program"],
                r["seed"],
                f"{r['seconds']:.1f}",
                *(f"{r['metrics'][name]:.4f}" for name in SHOWN),
            )
            for r in runs
        ],
    )
    lines += ["", "## Where", ""] + measured.table(
        ("what", "value"),
        list(facts.items()) + [("base", options.base_name), ("attune's sampler", options.sampler)],
    )
    seconds = {
        who: [r["seconds/pair"] for r in runs if r["program"] == who] for who in ("attune", "peer")
    }
    measurements = [{"name": "full finetuning, seconds a pair"} | seconds]
    raw = {"facts": facts, "measurements": measurements, "base": base, "runs": runs}
    raw["verdict"] = result
    return measured.write_report(options.reports, "llamaindex_finetune", lines, raw), lines


def main(arguments=None):
    options = parse(arguments)
    error = measured.check(options, "llamaindex_finetune")
    paths = [corpora.find(TRAIN), corpora.find(VALIDATION)]
    if not error and None in paths:
        error = f"{TRAIN} is not in the shared data beside the repository"
    if error:
        print(error, file=sys.stderr)
        return 2
    attune, facts = measured.begin(options)
    rows = corpora.training_rows(TRAIN)
    data, _ = generated_texts.write_rows(options.work, "train", rows)
    held_out = corpora.read(paths[1])
    try:
        base = quality(options.base, held_out)
        runs = measure(options, attune, rows, data, held_out)
    except AttuneFailed as failure:
        print(f"no comparison: {failure}", file=sys.stderr)
        return 1
    result = verdict(runs)
    path, lines = report(options, facts, base, runs, result)
    measured.tell(path, lines)
    return 0 if all(value["holds"] for value in result.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
