"""A trained artifact, its base deleted, in sentence-transformers, in LlamaIndex and in attune
itself.
"""

import importlib.metadata
import json
import shutil

import numpy as np

from . import embeddings, generated_texts, training
from .peer_training import Settings


def _llama_index_vectors(artifact, prompts, texts):
    """(passages, queries) of HuggingFaceEmbedding; told the prompts, as it drops stored ones."""
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    model = HuggingFaceEmbedding(
        model_name=str(artifact),
        device="cpu",
        query_instruction=prompts.get("query", ""),
        text_instruction=prompts.get("document", ""),
    )
    passages = np.array(model.get_text_embedding_batch(texts))
    queries = np.array([model.get_query_embedding(text) for text in texts])
    return passages, queries


def _unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _stored_prompts(artifact):
    return (
        json.loads((artifact / "config_sentence_transformers.json").read_text("utf-8")).get(
            "prompts"
        )
        or {}
    )


def _question(table, context, name, base, settings, prompts):
    kept = context.work / f"base_to_delete_{name}"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(base, kept)
    rows = generated_texts.training_rows(61, 24)
    data, _ = generated_texts.write_rows(context.work, f"artifact_{name}", rows)
    run = context.attune.train(kept, data, settings)
    shutil.rmtree(kept)  # an artifact stands alone
    texts = [text for text in generated_texts.mixed_texts(62, 40) if text.strip()]
    stored = {key: value for key, value in _stored_prompts(run.artifact).items() if value}
    if stored != prompts:
        raise ValueError(f"the artifact stores the prompts {stored}, expected {prompts}")
    ours = {role: context.attune.embed(run.artifact, texts, role) for role in ("text", "query")}
    before = context.attune.embed(base, texts)
    moved = embeddings.difference(before, ours["text"])
    if moved < 1e-5:
        raise ValueError("training did not change the embeddings: nothing would be compared")
    worst = max(
        embeddings.difference(embeddings.expected(run.artifact, texts, role), ours[role])
        for role in ours
    )
    table.add(
        f"artifact in Python: {name}",
        embeddings.oracle_name(),
        f"{len(texts)} texts x text+query",
        worst,
        embeddings.TOLERANCE,
        f"base deleted; training moved the embeddings by {moved:.2g}",
    )
    version = importlib.metadata.version("llama-index-embeddings-huggingface")
    oracle = f"LlamaIndex HuggingFaceEmbedding {version}"
    passages, queries = _llama_index_vectors(run.artifact, prompts, texts)
    worst = max(
        embeddings.difference(passages, _unit(ours["text"])),
        embeddings.difference(queries, _unit(ours["query"])),
    )
    table.add(
        f"artifact in LlamaIndex: {name}",
        oracle,
        f"{len(texts)} texts x text+query",
        worst,
        embeddings.TOLERANCE,
    )


def rows(table, context):
    oracle = training.oracle_name()
    few = Settings(batch_size=8, epochs=2, learning_rate=1e-3, max_length=48)
    e5 = {"query": "query: ", "document": "passage: "}
    cases = {
        "e5": (
            context.shapes["e5"],
            Settings(**vars(few) | {"query_prompt": "query: ", "document_prompt": "passage: "}),
            e5,
        ),
        "gte": (context.shapes["gte"], few, {}),
        "cased": (context.shapes["cased"], few, {}),
    }
    if context.base:
        cases["MiniLM"] = (context.base, Settings(batch_size=8, epochs=1, max_length=64), {})
    for name, (base, settings, prompts) in cases.items():
        table.guard(f"artifact: {name}", oracle, _question, context, name, base, settings, prompts)
