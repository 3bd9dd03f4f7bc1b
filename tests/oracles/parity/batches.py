"""What the peer's trainer makes of several data sets, accumulated gradients and prompts per column.

The order of batches alone, epoch by epoch and for every sampler, is compared with the peer's
Trainer in tests/data/samplers_test.cpp; here whole runs are.
"""

import dataclasses
import json

from . import generated_texts, peer_training
from .peer_training import Settings
from .training import (
    LOSS_TOLERANCE,
    NORM_TOLERANCE,
    WEIGHT_TOLERANCE,
    loss_difference,
    oracle_name,
    weight_difference,
)


def _groups(count, epochs, accumulate):
    """How many batches each step takes: a step never reaches into the next epoch."""
    per_epoch = count // epochs
    sizes = []
    for _ in range(epochs):
        left = per_epoch
        while left > 0:
            sizes.append(min(accumulate, left))
            left -= sizes[-1]
    return sizes


def _by_step(values, sizes):
    at, out = 0, []
    for size in sizes:
        out.append(values[at : at + size])
        at += size
    return out


def _compare(table, name, settings, run, ours):
    sizes = _groups(len(run.losses), settings.epochs, settings.accumulate)
    losses = [sum(part) / len(part) for part in _by_step(run.losses, sizes)]
    tokens = [sum(part) for part in _by_step(run.tokens, sizes)]
    cases = f"{len(losses)} steps of {max(sizes)} batches, the shortest of {min(sizes)}"

    def add(what, *rest):
        table.add(f"{what}: {name}", oracle_name(), cases, *rest)

    add(
        "loss per step",
        loss_difference(losses, ours.column("loss")),
        LOSS_TOLERANCE,
        f"loss {losses[0]:.3f} to {losses[-1]:.3f}; unit max(loss, 0.2)",
    )
    pairs = zip(run.grad_norms, ours.column("grad_norm"), strict=True)
    add("gradient norm", max(abs(a - b) / max(a, 1e-3) for a, b in pairs), NORM_TOLERANCE)
    pairs = zip(run.learning_rates, ours.column("learning_rate"), strict=True)
    rates = max(abs(a - b) for a, b in pairs) / settings.learning_rate
    add("learning rate", rates, 1e-9, "of the peak")
    differing = sum(a != b for a, b in zip(tokens, ours.column("tokens"), strict=True))
    add("data order", differing, 0, "steps whose number of real tokens differs")
    worst, where = weight_difference(run.weights(), ours.artifact)
    add("weights after training", worst, WEIGHT_TOLERANCE, f"worst: {where}; key biases exempt")


def _question(table, context, name, base, rows, settings):
    place = name.replace(" ", "_").replace(",", "")
    sets = rows if isinstance(rows, dict) else {"rows": rows}
    files = [
        generated_texts.write_rows(context.work, f"batches_{place}_{part}", part_rows)
        for part, part_rows in sets.items()
    ]
    negatives = [path for _, path in files]
    run = peer_training.train(base, rows, settings)
    ours = context.attune.train(
        base,
        [path for path, _ in files],
        settings,
        negatives=negatives if any(negatives) else None,
    )
    _compare(table, name, settings, run, ours)
    return ours


def _prompts_question(table, context, name, base, rows, settings):
    """The prompts of the columns are those that the artifact holds, by name."""
    ours = _question(table, context, name, base, rows, settings)
    config = json.loads((ours.artifact / "config_sentence_transformers.json").read_text("utf-8"))
    names = ["query", "document", "negative_1", "negative_2"]
    expected = dict(zip(names, settings.column_prompts))
    stored = {key: value for key, value in config["prompts"].items() if key in names}
    table.add(
        f"prompts saved: {name}",
        "the prompts trained with",
        f"{len(expected)} prompts",
        sum(stored.get(key) != value for key, value in expected.items()),
        0,
    )


def rows(table, context):
    small = context.shapes
    settings = Settings(
        batch_size=6, epochs=2, learning_rate=5e-5, weight_decay=0.1, max_length=48, max_grad_norm=2
    )
    pairs = generated_texts.training_rows(51, 80)  # 14 batches
    hard = generated_texts.training_rows(52, 45, negatives=1)
    others = generated_texts.training_rows(53, 30)

    def ask(name, base, rows_, ask=_question, **changes):
        changed = dataclasses.replace(settings, **changes)
        table.guard(name, oracle_name(), ask, context, name, base, rows_, changed)

    ask("accumulate 4", small["e5"], pairs, accumulate=4)
    ask(
        "accumulate 3, 1 negative, cosine",
        small["bge"],
        hard,
        accumulate=3,
        schedule="cosine",
        warmup_ratio=0.3,
    )
    sets = {"pairs": pairs, "triplets": hard, "others": others}
    ask("3 data sets, proportional", small["e5"], sets)
    ask("3 data sets, round robin", small["e5"], sets, multi_dataset="round_robin")
    ask("3 data sets, accumulate 2", small["sqrt"], sets, accumulate=2)
    prompts = ("query: ", "passage: ", "not this: ")
    ask("prompts per column", small["e5"], hard, ask=_prompts_question, column_prompts=prompts)
    ask(
        "prompts per column, not pooled",
        small["unpooled"],
        hard,
        ask=_prompts_question,
        column_prompts=prompts,
    )
