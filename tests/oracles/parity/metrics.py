"""Retrieval metrics: `attune evaluate` against sentence-transformers'
InformationRetrievalEvaluator.

First on the same vectors (those that attune embeds), where the rankings are equal but for scores
that tie within rounding; then the peer with its own vectors, end to end.
"""

import importlib.metadata

import torch
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

from . import corpora, embeddings, generated_texts

SAME_VECTORS = 1e-12
END_TO_END = 1e-6
CUTS = (1, 3, 5, 10)
NEAR = 2e-6  # scores closer than this may change places between two exact programs


class _GivenVectors(InformationRetrievalEvaluator):
    """The peer's ranking and metrics on vectors computed elsewhere."""

    vectors = None

    def embed_inputs(self, model, sentences, encode_fn_name=None, **kwargs):
        return torch.stack([self.vectors[encode_fn_name][text] for text in sentences])


def oracle_name():
    version = importlib.metadata.version("sentence-transformers")
    return f"sentence-transformers {version} InformationRetrievalEvaluator"


def evaluator(queries, corpus, relevant, kind=InformationRetrievalEvaluator):
    return kind(
        queries,
        corpus,
        {query: set(docs) for query, docs in relevant.items()},
        accuracy_at_k=list(CUTS),
        precision_recall_at_k=list(CUTS),
        mrr_at_k=list(CUTS),
        ndcg_at_k=list(CUTS),
        map_at_k=[100],
        write_csv=False,
    )


def attune_names(values):
    """The peer's keys under attune's names."""
    names = {}
    for key, value in values.items():
        if key.startswith("cosine_"):
            names[key.removeprefix("cosine_").replace("accuracy@", "hit_rate@")] = float(value)
    return names


def without_near_ties(vectors, queries, corpus, relevant):
    """The queries in which no relevant passage scores within rounding of another one.

    Where two scores tie but for rounding, two exact programs may rank them either way: such a query
    would compare luck.
    """
    docs = torch.nn.functional.normalize(
        torch.stack([vectors["document"][t] for t in corpus.values()]).double()
    )
    ids, kept = list(corpus), {}
    for key, text in queries.items():
        scores = docs @ torch.nn.functional.normalize(vectors["query"][text].double(), dim=0)
        mark = torch.tensor([identity in relevant[key] for identity in ids])
        if (scores[mark].unsqueeze(1) - scores[~mark]).abs().min() >= NEAR:
            kept[key] = text
    return kept


def _vectors(embed, queries, corpus):
    """{"query": {text: vector}, "document": ...}; what the peer calls document is attune's text."""
    vectors = {}
    for kind, role, texts in (("query", "query", queries), ("document", "text", corpus)):
        values = list(dict.fromkeys(texts.values()))
        vectors[kind] = dict(zip(values, torch.from_numpy(embed(values, role))))
    return vectors


def _row(table, context, name, model, queries, corpus, relevant):
    asked = len(queries)
    peers = _vectors(lambda texts, role: embeddings.expected(model, texts, role), queries, corpus)
    queries = without_near_ties(peers, queries, corpus, relevant)
    relevant = {key: relevant[key] for key in queries}
    place = context.work / f"metrics_{name}.json".replace(" ", "_").replace(",", "")
    generated_texts.write_dataset(place, queries, corpus, relevant)
    ours = context.attune.evaluate([model], place, CUTS)[0]
    given = evaluator(queries, corpus, relevant, _GivenVectors)
    peer = embeddings.peer_of(model)
    peer.similarity_fn_name = "cosine"
    given.vectors = _vectors(
        lambda texts, role: context.attune.embed(model, texts, role), queries, corpus
    )
    same = attune_names(given(peer))
    given.vectors = peers
    whole = attune_names(given(peer))
    missing = sorted(set(same) - set(ours))
    if missing:
        raise KeyError(f"attune evaluate does not tell {missing}")
    note = f"hit@1 {whole['hit_rate@1']:.3f}, mrr@10 {whole['mrr@10']:.3f}"
    if len(queries) < asked:
        note += f"; {asked - len(queries)} queries with near ties (scores within {NEAR:g}) left out"
    cases = f"{len(queries)} queries, {len(corpus)} passages, {len(same)} metrics"
    for what, values, tolerance in (
        ("same vectors", same, SAME_VECTORS),
        ("end to end", whole, END_TO_END),
    ):
        worst, key = max((abs(values[key] - ours[key]), key) for key in values)
        table.add(
            f"metrics, {what}: {name}",
            oracle_name(),
            cases,
            worst,
            tolerance,
            note if worst <= tolerance else f"{note}; worst {key}",
        )


def rows(table, context):
    sizes = (150, 60) if context.quick else (600, 300)
    sets = {
        "bge": ("bge, generated", context.shapes["bge"]),
        "raw": ("raw, generated", context.shapes["raw"]),
    }
    if context.base:
        sets["MiniLM"] = ("MiniLM, generated", context.base)
    for seed, (name, model) in enumerate(sets.values()):
        table.guard(
            f"metrics: {name}",
            oracle_name(),
            _row,
            context,
            name,
            model,
            *generated_texts.retrieval_set(50 + seed, *sizes),
        )
    real = corpora.find("finetune_embedding/retrieval/val.json")
    if context.quick or not context.base:
        return
    if real is None:
        table.remark("finetune_embedding val.json is not there: metrics on generated data alone")
        return
    data = corpora.read(real)
    table.guard(
        "metrics: MiniLM, 10-K val",
        oracle_name(),
        _row,
        context,
        "MiniLM, 10-K val",
        context.base,
        data["queries"],
        data["corpus"],
        data["relevant_docs"],
    )
