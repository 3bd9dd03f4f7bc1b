"""Training step by step: the same rows through the peer's trainer and through `attune train`.

Dropout is 0 and precision fp32 on both sides. Losses, gradient norms, real tokens of each batch
(they tell the data order) and the weights at the end are compared. In bf16, which the two round in
different places, with dropout, which they draw differently, it is the loss they come to: over
several seeds, whose spread of the peer's own runs is the measure.
"""

import dataclasses
import importlib.metadata
import statistics

import numpy as np
from safetensors.numpy import load_file
from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss

from . import generated_texts, peer_training
from .peer_training import Settings

LOSS_TOLERANCE = 1e-5  # of max(loss, 0.2)
NORM_TOLERANCE = 1e-4  # relative
WEIGHT_TOLERANCE = 5e-6
EXEMPT = (
    "attention.self.key.bias"  # its true gradient is 0: what the optimiser moves it by is noise
)


def oracle_name():
    return f"sentence-transformers {importlib.metadata.version('sentence-transformers')} trainer"


def loss_difference(expected, got):
    """Worst loss difference in units of max(loss, 0.2); runs of different length never agree."""
    if len(expected) != len(got):
        raise ValueError(f"{len(expected)} steps expected, {len(got)} taken")
    return max(abs(a - b) / max(a, 0.2) for a, b in zip(expected, got))


def weight_difference(expected, artifact):
    """(worst difference, its name); names must be the same sets."""
    got = load_file(artifact / "model.safetensors")
    got.pop("embeddings.position_ids", None)  # a buffer that older checkpoints store
    if set(got) != set(expected):
        odd = sorted(set(got) ^ set(expected))
        raise ValueError(f"the artifact's weights differ by name: {odd[:6]}")
    worst = (0.0, "")
    for name, value in expected.items():
        if EXEMPT in name:
            continue
        a, b = value.double().numpy(), got[name].astype(np.float64)
        if a.shape != b.shape:
            raise ValueError(f"{name}: shape {b.shape}, expected {a.shape}")
        worst = max(worst, (float(np.abs(a - b).max()), name))
    return worst


def _distinct_tokens(run, settings):
    """Real tokens a step where a text that stands twice in a batch is embedded once."""
    counts = []
    for batch in run.batches:
        texts = {settings.query_prompt + row[0] for row in batch}
        texts |= {settings.document_prompt + text for row in batch for text in row[1:]}
        ids = run.model.tokenizer(sorted(texts), truncation=True, max_length=settings.max_length)[
            "input_ids"
        ]
        counts.append(sum(map(len, ids)))
    return counts


def order_difference(run, settings, got):
    """Steps whose number of real tokens differs; texts embedded once or each time both count."""
    each = sum(a != b for a, b in zip(run.tokens, got))
    return min(each, sum(a != b for a, b in zip(_distinct_tokens(run, settings), got)))


def _compare(table, name, base, settings, run, ours):
    cases = f"{len(run.losses)} steps, batch {settings.batch_size}"
    drop = f"loss {run.losses[0]:.3f} to {run.losses[-1]:.3f}"
    table.add(
        f"loss per step: {name}",
        oracle_name(),
        cases,
        loss_difference(run.losses, ours.column("loss")),
        LOSS_TOLERANCE,
        f"{drop}; unit max(loss, 0.2)",
    )
    norms = max(abs(a - b) / max(a, 1e-3) for a, b in zip(run.grad_norms, ours.column("grad_norm")))
    table.add(f"gradient norm: {name}", oracle_name(), cases, norms, NORM_TOLERANCE, "relative")
    rates = max(abs(a - b) for a, b in zip(run.learning_rates, ours.column("learning_rate")))
    table.add(
        f"learning rate: {name}",
        oracle_name(),
        cases,
        rates / settings.learning_rate,
        1e-9,
        "of the peak",
    )
    table.add(
        f"data order: {name}",
        oracle_name(),
        cases,
        order_difference(run, settings, ours.column("tokens")),
        0,
        "steps whose number of real tokens differs",
    )
    weights = run.weights()
    worst, where = weight_difference(weights, ours.artifact)
    before = peer_training.load(base, settings)[0].auto_model.state_dict()
    moved = max(float((value - before[key]).abs().max()) for key, value in weights.items())
    table.add(
        f"weights after training: {name}",
        oracle_name(),
        f"{len(weights)} tensors",
        worst,
        WEIGHT_TOLERANCE,
        f"training moved them by up to {moved:.1e}; worst: {where}; key biases exempt",
    )


def _question(table, context, name, base, rows, settings, cached=False, chunk_tokens=0):
    data, negatives = generated_texts.write_rows(
        context.work, name.replace(" ", "_").replace(",", ""), rows
    )
    loss = None
    if cached:

        def loss(model):
            return CachedMultipleNegativesRankingLoss(
                model, scale=settings.scale, mini_batch_size=4
            )

    run = peer_training.train(base, rows, settings, loss)
    ours = context.attune.train(
        base, data, settings, negatives=negatives, chunk_tokens=chunk_tokens
    )
    _compare(table, name, base, settings, run, ours)
    return ours


def _bf16_question(table, context, name, base, rows, settings, seeds):
    """The mean loss of the second half of the steps, mean over seeds."""
    data, _ = generated_texts.write_rows(context.work, "bf16", rows)
    ends = {"peer": [], "attune": []}
    for seed in range(seeds):
        seeded = dataclasses.replace(settings, seed=seed)
        for who, losses in (
            ("peer", peer_training.train(base, rows, seeded).losses),
            ("attune", context.attune.train(base, data, seeded).column("loss")),
        ):
            ends[who].append(statistics.mean(losses[len(losses) // 2 :]))
    spread = max(ends["peer"]) - min(ends["peer"])
    means = {who: statistics.mean(values) for who, values in ends.items()}
    table.add(
        f"loss in bf16, dropout 0.1: {name}",
        oracle_name(),
        f"{seeds} seeds, {settings.max_steps} steps, batch {settings.batch_size}",
        abs(means["peer"] - means["attune"]) / spread,
        1,
        f"peer {means['peer']:.4f}, attune {means['attune']:.4f}; unit: spread of the peer's seeds",
    )


def rows(table, context):
    small = context.shapes
    count = 40 if context.quick else 100
    # The rate: at 2e-4 the peer's own plain and cached runs differ by 1.6e-5 in single weights
    # whose gradient is nearly 0; at 5e-5 by 1e-7. The decay: at 0.01 leaving it out would not show.
    hundred = Settings(
        batch_size=8,
        max_steps=count,
        epochs=4,
        learning_rate=5e-5,
        weight_decay=0.1,
        max_length=48,
    )
    pairs = generated_texts.training_rows(31, 240)
    hard = generated_texts.training_rows(32, 240, negatives=2)
    odd = generated_texts.training_rows(33, 61, low=2, high=80)

    def ask(name, base, rows_, settings, **more):
        return table.guard(
            name, oracle_name(), _question, context, name, base, rows_, settings, *more.values()
        )

    # Limits near the median norm: some steps are clipped, some are not, so Adam cannot scale a
    # wrong clip away.
    ask("bge, pairs", small["bge"], pairs, dataclasses.replace(hundred, max_grad_norm=2.1))
    ask(
        "max, pairs, cosine",
        small["max"],
        pairs,
        dataclasses.replace(hundred, schedule="cosine", max_grad_norm=2.1),
    )
    ask(
        "e5, 2 negatives, prompts",
        small["e5"],
        hard,
        dataclasses.replace(hundred, query_prompt="query: ", document_prompt="passage: "),
    )
    ask(
        "raw, no duplicates",
        small["raw"],
        pairs,
        dataclasses.replace(
            hundred, sampler="no_duplicates", seed=0, schedule="constant", max_length=16
        ),
    )
    ask(
        "sqrt, 3 epochs of odd size",
        small["sqrt"],
        odd,
        Settings(batch_size=4, epochs=3, max_length=64),
    )
    ask(
        "wide, GradCache, 2 negatives",
        small["wide"],
        hard,
        dataclasses.replace(hundred, max_steps=30),
        cached=True,
        chunk_tokens=256,
    )
    if not context.base:
        return
    steps = 12 if context.quick else 100
    main = Settings(batch_size=16, max_steps=steps, epochs=10, max_length=128)
    ask("MiniLM, pairs", context.base, pairs, main)
    seeds = 4 if context.quick else 6
    bf16 = dataclasses.replace(main, max_steps=40, precision="bf16", dropout=0.1)
    arguments = (context, "MiniLM, pairs", context.base, pairs, bf16, seeds)
    table.guard("MiniLM, bf16", oracle_name(), _bf16_question, *arguments)
    if context.quick:
        return
    ask("MiniLM, 2 negatives", context.base, hard, dataclasses.replace(main, batch_size=8))
    ask(
        "MiniLM, no duplicates",
        context.base,
        pairs,
        dataclasses.replace(main, sampler="no_duplicates", seed=0),
    )
    ask("MiniLM, GradCache", context.base, pairs, main, cached=True, chunk_tokens=512)
