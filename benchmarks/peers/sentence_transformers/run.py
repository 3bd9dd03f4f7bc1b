#!/usr/bin/env python3
"""attune against sentence-transformers' trainer: whole training steps, interleaved.

    .venv/bin/python benchmarks/peers/sentence_transformers/run.py [--rounds 5] [--help]

Each round trains the peer and attune on the same pairs in the same order with the same batch,
length, precision, dropout and threads; which goes first alternates, so that a busy machine hits
both. A step is all of it: tokenisation, forward, loss, backward, clip, optimizer. The first
--warm-up steps of each run are left out. The benchmark fails (exit 1, no report of speed) if the
two did not do the same work: other pairs in a step, other tokens (so another truncation), or, with
dropout 0, losses that are not those of one training.
"""

import argparse
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import measured

import torch

from parity import corpora, generated_texts, peer_training, training
from parity.program import AttuneFailed

BF16_LOSS_TOLERANCE = 0.02  # of max(loss, 0.2); between two bf16 runs that round in other places
QUICKSTART = measured.ROOT / "runs/quickstart/datasets/train.json"


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30, help="of one run")
    parser.add_argument(
        "--warm-up", type=int, default=3, help="steps at the start that are not counted"
    )
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument("--learning-rate", type=float, default=2e-5)
    parser.add_argument("--dropout", default="0", help="0, another number, or model")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument(
        "--peer-matmul",
        choices=("highest", "medium"),
        default="highest",
        help="torch.set_float32_matmul_precision of the peer alone; highest is its default",
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--data",
        type=pathlib.Path,
        help="QA data set; left out: the 10-K set, else the "
        "quickstart's pairs, else generated words",
    )
    measured.add_options(parser)
    options = parser.parse_args(arguments)
    if options.steps <= options.warm_up or options.rounds < 1:
        parser.error("--steps must be more than --warm-up, --rounds at least 1")
    return options


def pairs_of(options):
    """(rows, what they are)."""
    for path, name in (
        (options.data, None),
        (corpora.find("finetune_embedding/retrieval/train.json"), "10-K set"),
        (QUICKSTART, "quickstart pairs"),
    ):
        if path and path.is_file():
            data = corpora.read(path)
            rows = [
                (text, data["corpus"][data["relevant_docs"][key][0]])
                for key, text in data["queries"].items()
                if data["relevant_docs"].get(key)
            ]
            return [row for row in rows if all(map(str.strip, row))], name or path.name
    return generated_texts.training_rows(71, 668, low=40, high=300), "generated words"


def settings_of(options, rows):
    per_epoch = -(-len(rows) // options.batch_size)
    return peer_training.Settings(
        epochs=-(-options.steps // per_epoch),
        batch_size=options.batch_size,
        max_steps=options.steps,
        learning_rate=options.learning_rate,
        max_length=options.max_length,
        precision=options.precision,
        device=options.device,
        dropout=None if options.dropout == "model" else float(options.dropout),
    )


def one_round(number, options, attune, rows, data, settings):
    """Both programs once, in alternating order."""
    result = {}
    for who in ("peer", "attune") if number % 2 == 0 else ("attune", "peer"):
        began = time.perf_counter()
        if who == "peer":
            torch.set_float32_matmul_precision(options.peer_matmul)
            run = peer_training.train(options.base, rows, settings)
            result[who] = {
                "losses": run.losses,
                "seconds": run.seconds,
                "tokens": run.tokens,
                "padded": run.padded_tokens,
                "pairs": [len(batch) for batch in run.batches],
            }
        else:
            run = attune.train(options.base, data, settings)
            result[who] = {
                name: run.column(key)
                for name, key in (
                    ("losses", "loss"),
                    ("seconds", "seconds"),
                    ("tokens", "tokens"),
                    ("pairs", "pairs"),
                )
            } | {"peak memory, MiB": run.result["metrics"]["peak_memory_mib"]}
        result[who]["whole run"] = time.perf_counter() - began
    medians = {who: statistics.median(result[who]["seconds"][options.warm_up :]) for who in result}
    print(
        f"round {number + 1}: "
        + ", ".join(f"{who} {value:.3f} s a step" for who, value in medians.items()),
        file=sys.stderr,
        flush=True,
    )
    return result


class DifferentWork(Exception):
    """The two programs did not do the same, so there is no speed to compare."""


def worst_loss_difference(rounds, settings, peer_matmul):
    """Over all rounds and steps; raises DifferentWork."""
    for r in rounds:
        for what in ("pairs", "tokens"):
            if r["peer"][what] != r["attune"][what]:
                raise DifferentWork(
                    f"{what} a step: {r['peer'][what]} of the peer, {r['attune'][what]} of attune"
                )
    worst = max(
        training.loss_difference(r["peer"]["losses"], r["attune"]["losses"]) for r in rounds
    )
    # Where the processor has AMX, "medium" makes the peer's fp32 products products of bf16.
    exact = settings.precision == "fp32" and peer_matmul == "highest"
    tolerance = training.LOSS_TOLERANCE if exact else BF16_LOSS_TOLERANCE
    if settings.dropout == 0 and not worst <= tolerance:  # with dropout: different draws
        raise DifferentWork(f"the losses disagree by {worst:.3g} of max(loss, 0.2)")
    return worst


def summary(rounds, warm_up):
    rows = {}
    for who in ("peer", "attune"):
        kept = [
            {key: values[warm_up:] for key, values in r[who].items() if isinstance(values, list)}
            for r in rounds
        ]
        seconds = [value for run in kept for value in run["seconds"]]
        total = sum(seconds)
        rows[who] = {
            "step": measured.spread(seconds),
            "rounds": [statistics.median(run["seconds"]) for run in kept],
            "whole run": statistics.median(r[who]["whole run"] for r in rounds),
            "pairs/s": sum(sum(run["pairs"]) for run in kept) / total,
            "tokens/s": sum(sum(run["tokens"]) for run in kept) / total,
        }
    ratios = [p / a for p, a in zip(rows["peer"]["rounds"], rows["attune"]["rounds"])]
    rows["speed-up"] = measured.spread(ratios)
    real = sum(sum(r["peer"]["tokens"]) for r in rounds)
    rows["padding share"] = 1 - real / sum(sum(r["peer"]["padded"]) for r in rounds)
    rows["peak memory, MiB"] = max(r["attune"]["peak memory, MiB"] for r in rounds)
    return rows


def compare(options, attune):
    """Every round of one setting: what `report` prints and the raw numbers."""
    rows, data_name = pairs_of(options)
    settings = settings_of(options, rows)
    data, _ = generated_texts.write_rows(options.work, "pairs", rows)
    rounds = [one_round(i, options, attune, rows, data, settings) for i in range(options.rounds)]
    worst = worst_loss_difference(rounds, settings, options.peer_matmul)
    config = vars(settings) | {
        "base": options.base_name,
        "pairs": f"{len(rows)} ({data_name})",
        "rounds": options.rounds,
        "steps left out": options.warm_up,
        "peer's attention": "sdpa",
        "peer's optimizer": "transformers' default (adamw_torch_fused)",
        "peer's float32_matmul_precision": options.peer_matmul,
    }
    return {
        "settings": config,
        "summary": summary(rounds, options.warm_up),
        "worst loss difference": worst,
        "rounds": rounds,
    }


def measurement(name, result):
    """As `attune bench compare` reads it."""
    rounds = {who: result["summary"][who]["rounds"] for who in ("attune", "peer")}
    return {"name": name} | rounds


def report(options, facts, compared):
    result, settings = compared["summary"], compared["settings"]
    ratio = result["speed-up"]
    lines = [
        f"# Training steps: attune against sentence-transformers ({facts['date']})",
        "",
        f"{settings['rounds']} rounds of {settings['max_steps']} steps, interleaved, the first "
        f"{settings['steps left out']} steps of each run left out; {settings['pairs']} pairs, the "
        "same order on both sides.",
        "",
        f"attune's step takes {1 / ratio['median']:.2f} of the peer's time: "
        f"{ratio['median']:.2f} times as "
        f"fast (quartiles over rounds {ratio['low']:.2f} to {ratio['high']:.2f}).",
        "",
    ]
    cells = []
    for who in ("peer", "attune"):
        r = result[who]
        cells.append(
            (
                who,
                f"{r['step']['median']:.4f}",
                f"{r['step']['low']:.4f} to {r['step']['high']:.4f}",
                f"{r['pairs/s']:.1f}",
                f"{r['tokens/s']:.0f}",
                f"{r['whole run']:.1f}",
            )
        )
    lines += measured.table(
        ("program", "step, median s", "quartiles", "pairs/s", "real tokens/s", "whole run, s"),
        cells,
    )
    lines += [
        "",
        f"Of the peer's tokens {100 * result['padding share']:.1f} % are padding; real tokens "
        "are counted without it, the same number for both programs. A whole run is loading, every "
        "step and, for attune, the process's start and the saved artifact; for the peer neither "
        f"Python's imports nor saving. attune's process took {result['peak memory, MiB']} MiB at "
        "most.",
        losses_said(compared),
        "",
        "## Where and how",
        "",
    ]
    lines += measured.table(("what", "value"), list(facts.items()) + list(settings.items()))
    raw = {"facts": facts, "measurements": [measurement("training step", compared)]} | compared
    return measured.write_report(options.reports, "sentence_transformers", lines, raw), lines


def losses_said(compared):
    rounds = compared["rounds"]
    if compared["settings"]["dropout"] == 0:
        return (
            f"Losses agree step by step: worst difference {compared['worst loss difference']:.2g} "
            f"of max(loss, 0.2), over {len(rounds)} x {len(rounds[0]['peer']['losses'])} steps."
        )
    last = {
        who: statistics.mean(r[who]["losses"][-1] for r in rounds) for who in ("peer", "attune")
    }
    return (
        "Dropout is on and drawn differently by the two programs, so losses are not compared step "
        f"by step (mean of the last step: peer {last['peer']:.4f}, attune {last['attune']:.4f})."
    )


def main(arguments=None):
    options = parse(arguments)
    error = measured.check(options, "sentence_transformers")
    if error:
        print(error, file=sys.stderr)
        return 2
    attune, facts = measured.begin(options)
    try:
        path, lines = report(options, facts, compare(options, attune))
    except (AttuneFailed, DifferentWork, ValueError) as failure:
        print(f"no comparison: {failure}", file=sys.stderr)
        return 1
    measured.tell(path, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
