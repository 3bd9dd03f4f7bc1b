#!/usr/bin/env python3
"""attune against sentence-transformers' trainer: whole training steps, interleaved.

    .venv/bin/python benchmarks/peers/sentence_transformers/run.py [--rounds 5] [--help]

Each round trains the peer and attune on the same pairs in the same order with the same batch,
length, precision, dropout and threads; which goes first alternates, so that a busy machine hits
both. A step is all of it: the peer's tokenisation in its data loader, forward, loss, backward,
clip, optimizer. The first --warm-up steps of each run are left out. With dropout 0 the losses are
compared step by step, and the benchmark fails (exit 1, no report of speed) if they are not those
of one training.
"""

import argparse
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import measured

from parity import corpora, generated_texts, peer_training, training
from parity.program import Attune, AttuneFailed

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
            run = peer_training.train(options.base, rows, settings)
            tokens, padded = run.tokens, run.padded_tokens
            result[who] = {
                "losses": run.losses,
                "seconds": run.seconds,
                "tokens": tokens,
                "padded": padded,
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
            }
        result[who]["whole run"] = time.perf_counter() - began
    medians = {who: statistics.median(result[who]["seconds"][options.warm_up :]) for who in result}
    print(
        f"round {number + 1}: "
        + ", ".join(f"{who} {value:.3f} s a step" for who, value in medians.items()),
        file=sys.stderr,
        flush=True,
    )
    return result


def disagreement(rounds, settings):
    """(worst loss difference of all rounds, whether it matters)."""
    worst = max(
        training.loss_difference(r["peer"]["losses"], r["attune"]["losses"]) for r in rounds
    )
    if settings.dropout != 0:
        return worst, False  # different draws: equal only in distribution
    tolerance = training.LOSS_TOLERANCE if settings.precision == "fp32" else 0.02
    return worst, not worst <= tolerance


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
            "rounds": measured.spread([statistics.median(run["seconds"]) for run in kept]),
            "whole run": statistics.median(r[who]["whole run"] for r in rounds),
            "pairs/s": sum(sum(run["pairs"]) for run in kept) / total,
            "tokens/s": sum(sum(r["peer"]["tokens"][warm_up:]) for r in rounds) / total,
        }
    ratios = [
        statistics.median(r["peer"]["seconds"][warm_up:])
        / statistics.median(r["attune"]["seconds"][warm_up:])
        for r in rounds
    ]
    real = sum(sum(r["peer"]["tokens"]) for r in rounds)
    rows["speed-up"] = measured.spread(ratios) | {"rounds": ratios}
    rows["padding share"] = 1 - real / sum(sum(r["peer"]["padded"]) for r in rounds)
    return rows


def report(options, facts, rounds, settings, data_name, rows, worst):
    result = summary(rounds, options.warm_up)
    lines = [f"# Training steps: attune against sentence-transformers ({facts['date']})", ""]
    lines += [
        f"{options.rounds} rounds of {options.steps} steps, interleaved, the first "
        f"{options.warm_up} steps of "
        f"each run left out; {len(rows)} pairs ({data_name}), the same order on both sides."
    ]
    ratio = result["speed-up"]
    lines += [
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
        "are counted "
        "without it, the same number for both programs. A whole run is loading, every step and, "
        "for attune, the "
        "process's start, its one tokenisation of all pairs and the saved artifact; for the peer "
        "neither Python's "
        "imports nor saving.",
    ]
    if settings.dropout == 0:
        lines += [
            f"Losses agree step by step: worst difference {worst:.2g} of max(loss, 0.2) "
            f"({len(rounds)} x {options.steps} steps)."
        ]
    else:
        lines += [
            "Dropout is on and drawn differently by the two programs, so losses are not compared "
            "step by step "
            "(mean of the last step: peer "
            f"{statistics.mean(r['peer']['losses'][-1] for r in rounds):.4f}, "
            f"attune {statistics.mean(r['attune']['losses'][-1] for r in rounds):.4f})."
        ]
    lines += ["", "## Where and how", ""]
    config = {key: value for key, value in vars(settings).items()}
    config |= {
        "base": options.base_name,
        "data": data_name,
        "peer's attention": "sdpa",
        "peer's optimizer": "transformers' default (adamw_torch_fused)",
    }
    lines += measured.table(("what", "value"), list(facts.items()) + list(config.items()))
    raw = {
        "facts": facts,
        "settings": config,
        "summary": result,
        "worst loss difference": worst,
        "rounds": rounds,
    }
    return measured.write_report(options.reports, "sentence_transformers", lines, raw), lines


def main(arguments=None):
    options = parse(arguments)
    error = measured.check(options, "sentence_transformers")
    if error:
        print(error, file=sys.stderr)
        return 2
    peer_training.quiet()
    peer_training.set_threads(options.threads)
    attune = Attune(options.attune, options.work, options.threads)
    rows, data_name = pairs_of(options)
    settings = settings_of(options, rows)
    data, _ = generated_texts.write_rows(options.work, "pairs", rows)
    facts = measured.facts(attune, options.threads)
    try:
        rounds = [
            one_round(i, options, attune, rows, data, settings) for i in range(options.rounds)
        ]
        worst, matters = disagreement(rounds, settings)
    except (AttuneFailed, ValueError) as failure:
        print(f"no comparison: {failure}", file=sys.stderr)
        return 1
    if matters:
        print(
            f"the losses disagree by {worst:.3g} of max(loss, 0.2): two different trainings, no "
            "speed to compare",
            file=sys.stderr,
        )
        return 1
    path, lines = report(options, facts, rounds, settings, data_name, rows, worst)
    print("\n".join(lines))
    print(f"\nreport: {measured.shown(path)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
