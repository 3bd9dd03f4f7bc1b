"""Every family trained in every way: {full, last layers, LoRA, adapter} x {plain, cached}.

Driven by families.CHECKPOINTS, the first checkpoint of each family. A few steps with dropout 0.1:
in chunks (GradCache) the losses must be those of the whole batch, all ways of training the encoder
must begin at the same loss, and the artifact must give in Python the vectors that it gives here. A
StaticEmbedding has no layers: what asks for some is refused.
"""

import math

from . import embeddings, families, generated_texts
from .peer_training import Settings
from .program import AttuneFailed

LOSS_TOLERANCE = 1e-6
START_TOLERANCE = 1e-6
CHUNK = 64  # tokens
WAYS = {
    "full": {},
    "last layers": {"last_layers": 1},
    "LoRA": {"lora": {"rank": 4, "targets": ["all-linear"]}},
    "adapter": {"mode": "adapter"},
}
REFUSED_OF_STATIC = {"last layers": "has 0 layers", "LoRA": "no linear layers"}


def _first_of_each():
    first = {}
    for checkpoint in families.CHECKPOINTS:
        first.setdefault(checkpoint.family, checkpoint)
    return first.values()


def _difference(a, b):
    return max(abs(x - y) / max(x, 0.2) for x, y in zip(a, b, strict=True))


def _refused(table, context, checkpoint, way, train):
    try:
        train(0)
    except AttuneFailed as failed:
        if REFUSED_OF_STATIC[way] not in str(failed):
            raise
        table.add(f"{checkpoint.family}: {way}", "attune itself", "refused by name", 0, 0)
        return
    raise ValueError(f"{way} of static embeddings was not refused")


def _way(table, context, checkpoint, directory, way, starts):
    rows = generated_texts.training_rows(77, 48, high=24)
    data, _ = generated_texts.write_rows(context.work, "matrix", rows)
    settings = Settings(batch_size=12, max_steps=4, epochs=1, learning_rate=1e-3, dropout=0.1,
                        max_length=checkpoint.limit)
    section = dict(WAYS[way])
    adapter = {"type": "linear"} if section.get("mode") == "adapter" else None

    def train(chunk_tokens):
        return context.attune.train(
            directory, data, settings, adapter=adapter, chunk_tokens=chunk_tokens, **section
        )

    if checkpoint.is_static and way in REFUSED_OF_STATIC:
        return _refused(table, context, checkpoint, way, train)
    plain, cached = train(0), train(CHUNK)
    losses = plain.column("loss")
    if not all(map(math.isfinite, losses)):
        raise ValueError(f"losses {losses}")
    table.add(
        f"{checkpoint.family}: {way}, cached and plain", "attune itself", f"{len(losses)} steps",
        _difference(losses, cached.column("loss")), LOSS_TOLERANCE,
        f"loss {losses[0]:.3f} to {losses[-1]:.3f}; chunks of {CHUNK} tokens",
    )
    if adapter:
        return None
    start = starts.setdefault("loss", losses[0])
    texts = generated_texts.plain_texts(78, 12)
    got = context.attune.embed(plain.artifact, texts)
    moved = embeddings.difference(context.attune.embed(directory, texts), got)
    if moved < 1e-4:
        raise ValueError(f"training moved the vectors by {moved:.2g} alone")
    table.add(
        f"{checkpoint.family}: {way}, begins as full does", "attune itself", "1 step",
        abs(losses[0] - start), START_TOLERANCE,
    )
    table.add(
        f"{checkpoint.family}: {way}, artifact in Python", embeddings.oracle_name(),
        f"{len(texts)} texts",
        embeddings.difference(embeddings.expected(plain.artifact, texts), got),
        embeddings.TOLERANCE, f"training moved the vectors by {moved:.2g}",
    )


def rows(table, context):
    for checkpoint in _first_of_each():
        directory = table.guard(
            f"{checkpoint.family}: made", "-",
            lambda _, c=checkpoint: families.make(context.work / "matrix_models", c),
        )
        starts = {}
        for way in WAYS if directory else ():
            table.guard(
                f"{checkpoint.family}: {way}", "attune itself",
                _way, context, checkpoint, directory, way, starts,
            )
