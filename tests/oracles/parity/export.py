"""Adapters exported by `attune export`, as sentence-transformers loads them.

Every shape of base (pooling, normalisation, prompts, prompts that are not pooled, fp16 weights) under
a linear adapter, and every kind of adapter under one base. Both roles are compared with
`attune embed` of the adapter itself.
"""

import importlib.metadata
import json
import pathlib

import numpy as np
from sentence_transformers import SentenceTransformer

from . import generated_texts
from .peer_training import Settings
from .program import AttuneFailed

TOLERANCE = 1e-5

KINDS = {
    "linear": {"type": "linear"},
    "linear with bias": {"type": "linear", "bias": True},
    "low rank": {"type": "low_rank", "rank": 4},
    "two layers without residual": {"type": "two_layer", "hidden_features": 24,
                                    "add_residual": False},
} | {
    f"two layers, {activation}": {"type": "two_layer", "hidden_features": 24,
                                  "activation": activation}
    for activation in ("relu", "sigmoid", "tanh", "leaky_relu")
}
BOTH = {
    "linear to 24 numbers": {"type": "linear", "sides": "both", "out_features": 24},
    "linear with bias": {"type": "linear", "sides": "both", "bias": True},
    "two layers to 24 numbers": {"type": "two_layer", "sides": "both", "out_features": 24,
                                 "add_residual": False},
    "two layers, tanh": {"type": "two_layer", "sides": "both", "activation": "tanh"},
}


def oracle_name():
    return f"sentence-transformers {importlib.metadata.version('sentence-transformers')}"


def _trained(context, base, adapter, prompts=None):
    """At a rate at which every number of the adapter moves."""
    rows = generated_texts.training_rows(91, 40)
    data, _ = generated_texts.write_rows(context.work, f"export_{base.name}", rows)
    prompts = prompts or {}
    settings = Settings(
        batch_size=8, epochs=2, learning_rate=1e-2, max_length=0,
        query_prompt=prompts.get("query", ""), document_prompt=prompts.get("document", ""),
    )
    return context.attune.train(base, data, settings, adapter=adapter, mode="adapter").artifact


def _difference(context, artifact, place):
    attune = context.attune
    attune.run("export", artifact, "--output", place)
    peer = SentenceTransformer(str(place), device="cpu")
    texts = generated_texts.mixed_texts(92, 16 if context.quick else 64)
    worst = 0.0
    for role, encode in (("query", peer.encode_query), ("text", peer.encode_document),
                         ("text", peer.encode)):
        if encode == peer.encode:  # without a prompt of its own: that of a document
            given = encode(texts, prompt_name="document")
        else:
            given = encode(texts)
        ours = attune.embed(artifact, texts, role=role)
        if given.shape != ours.shape:
            raise ValueError(f"{role}: {given.shape} there, {ours.shape} here")
        worst = max(worst, float(np.abs(given - ours).max()))
    return worst, len(texts)


def _kind(table, context, name, adapter, base, prompts=None):
    artifact = _trained(context, base, adapter, prompts)
    place = context.work / "exported" / f"{name}_{base.name}".replace(" ", "_").replace(",", "")
    place.parent.mkdir(exist_ok=True)
    worst, count = _difference(context, artifact, place)
    layout = "Router" if (place / "router_config.json").exists() else "Dense"
    table.add(f"export: {name} behind {base.name}", oracle_name(), f"{count} texts, both roles",
              worst, TOLERANCE, layout)


def _registered(table, context, base):
    """A kind that is none of theirs is refused, and nothing is written."""
    artifact = _trained(context, base, {"type": "linear"})
    sidecar = pathlib.Path(artifact) / "attune.json"
    lineage = json.loads(sidecar.read_text("utf-8"))
    lineage["adapter"]["type"] = "of_ones_own"
    sidecar.write_text(json.dumps(lineage), encoding="utf-8")
    place = context.work / "exported" / "own"
    try:
        context.attune.run("export", artifact, "--output", place)
        refused = False
    except AttuneFailed as error:
        refused = "of_ones_own" in str(error)
    table.add("export of an unknown kind is refused by name", "-", "1 adapter",
              int(not refused or place.exists()), 0)


def rows(table, context):
    base = context.shapes["bge"]
    for name, adapter in KINDS.items():
        table.guard(f"export: {name}", oracle_name(), _kind, context, name, adapter, base)
    for name, adapter in BOTH.items():
        table.guard(f"export of both sides: {name}", oracle_name(), _kind, context,
                    f"{name}, both sides", adapter, context.shapes["max"])
    for shape, directory in context.shapes.items():
        table.guard(f"export: behind {shape}", oracle_name(), _kind, context, "linear adapter",
                    {"type": "linear"}, directory, context.shape(shape).prompts)
    table.guard("export: normalised, both sides", oracle_name(), _kind, context,
                "linear to 24 numbers, both sides", BOTH["linear to 24 numbers"], base)
    table.guard("export: unknown kind", "-", _registered, context, base)
