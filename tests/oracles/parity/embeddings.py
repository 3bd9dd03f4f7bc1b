"""Embeddings in fp32: attune against SentenceTransformer.encode, and attune against itself over
batches.
"""

import importlib.metadata

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from . import corpora, generated_texts

TOLERANCE = 1e-5
BATCH_TOLERANCE = 1e-6


def oracle_name():
    return f"sentence-transformers {importlib.metadata.version('sentence-transformers')}"


def peer_of(model):
    """The peer's model in fp32, whatever the weights are stored as."""
    return SentenceTransformer(str(model), device="cpu", model_kwargs={"dtype": torch.float32})


def expected(model, texts, role="text"):
    """What the peer says; role query takes its query prompt, text its document prompt."""
    peer = peer_of(model)
    call = {"query": peer.encode_query, "text": peer.encode_document}[role]
    return call(texts, convert_to_numpy=True, show_progress_bar=False, batch_size=16)


def difference(a, b):
    """Largest absolute difference; relative to the largest value where that is above 1."""
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape}")
    return float(np.abs(a.astype(np.float64) - b).max() / max(1.0, np.abs(a).max()))


def _against_peer(table, attune, name, model, texts, roles):
    worst = 0.0
    for role in roles:
        worst = max(
            worst, difference(expected(model, texts, role), attune.embed(model, texts, role))
        )
    table.add(
        f"embeddings fp32: {name}",
        oracle_name(),
        f"{len(texts)} texts x {'+'.join(roles)}",
        worst,
        TOLERANCE,
    )


def _any_batch(table, attune, name, model, texts):
    """The vector of a text may not depend on what stands beside it."""
    together = attune.embed(model, texts)
    order = np.random.default_rng(3).permutation(len(texts))
    mixed = attune.embed(model, [texts[i] for i in order])
    worst = difference(together[order], mixed)
    part = attune.embed(model, texts[: len(texts) // 3])
    worst = max(worst, difference(together[: len(part)], part))
    lengths = np.argsort([len(text) for text in texts])
    alone = [int(lengths[0]), int(lengths[len(texts) // 2]), int(lengths[-1])]
    for i in alone:
        worst = max(worst, difference(together[i : i + 1], attune.embed(model, [texts[i]])))
    cases = f"{len(texts)} texts: all, shuffled, a third, {len(alone)} alone"
    table.add(
        f"embedding alone and in any batch: {name}", "attune itself", cases, worst, BATCH_TOLERANCE
    )


def rows(table, context):
    attune = context.attune
    texts = generated_texts.mixed_texts(21, 48 if context.quick else 300)
    for name, model in context.shapes.items():
        roles = ("text", "query") if context.shape(name).prompts else ("text",)
        table.guard(
            f"embeddings fp32: {name}",
            oracle_name(),
            _against_peer,
            attune,
            name,
            model,
            texts,
            roles,
        )
    for name in ("max", "e5"):
        table.guard(
            f"embedding alone and in any batch: {name}",
            "attune itself",
            _any_batch,
            attune,
            name,
            context.shapes[name],
            texts,
        )
    if not context.base:
        return
    table.guard(
        "embeddings fp32: MiniLM, generated",
        oracle_name(),
        _against_peer,
        attune,
        "MiniLM, generated",
        context.base,
        texts,
        ("text", "query"),
    )
    table.guard(
        "embedding alone and in any batch: MiniLM",
        "attune itself",
        _any_batch,
        attune,
        "MiniLM",
        context.base,
        texts,
    )
    if context.quick:
        return
    for corpus, real in corpora.texts(table, context, 200):
        table.guard(
            f"embeddings fp32: MiniLM, {corpus}",
            oracle_name(),
            _against_peer,
            attune,
            f"MiniLM, {corpus}",
            context.base,
            real,
            ("text",),
        )
