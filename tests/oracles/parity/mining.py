"""Hard negatives: `attune data mine` and sentence-transformers' mine_hard_negatives, set by set.

The peer is asked with pairs (query, relevant passage) and the whole corpus, and answers with
triplets, so that queries that find too few negatives are compared, too. Its texts are equal byte
for byte or different, attune's are folded: passages whose texts differ only so are left out of the
data first. Where a set hangs on two scores that tie but for rounding, two exact programs may
choose differently: `tied_queries` finds those queries in double precision, and they are left out
and counted.
"""

import contextlib
import importlib.metadata
import io
import json
import unicodedata

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers.util import mine_hard_negatives

from . import corpora, embeddings, generated_texts

NEAR = 2e-6  # as metrics.NEAR

# The peer's names; attune's options are the same with hyphens. All with sampling_strategy "top".
SETTINGS = {
    "plain": {"num_negatives": 3},
    "range": {"num_negatives": 5, "range_min": 4, "range_max": 20},
    "narrow range, relative margin": {"num_negatives": 4, "range_max": 6, "relative_margin": 0.05},
    "relative margin": {"num_negatives": 5, "relative_margin": 0.05},
    "absolute margin": {"num_negatives": 3, "range_min": 2, "absolute_margin": 0.1},
    "limits": {"num_negatives": 3, "range_max": 40, "max_score": 0.6, "min_score": 0.2},
    "all at once": {
        "num_negatives": 4,
        "range_min": 3,
        "range_max": 30,
        "max_score": 0.7,
        "min_score": 0.1,
        "absolute_margin": 0.02,
        "relative_margin": 0.1,
    },
    "beyond the corpus": {"num_negatives": 10, "range_max": 100000, "relative_margin": 0.3},
}
REAL = ("finetune_embedding/retrieval/val.json", "squad_v11/retrieval/val.json")
REAL_SETTINGS = ("relative margin", "all at once")


def oracle_name():
    version = importlib.metadata.version("sentence-transformers")
    return f"sentence-transformers {version} mine_hard_negatives"


def _folded(text):
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def distinct(queries, corpus, relevant):
    """The data set without passages and queries that repeat others but for case and spaces (equal
    texts stay: both programs know them), blank ones, and queries that lose their passages so.
    """

    def first_of_each(texts):
        first, kept = {}, {}
        for key, text in texts.items():
            if _folded(text) and first.setdefault(_folded(text), text) == text:
                kept[key] = text
        return kept

    queries, corpus = first_of_each(queries), first_of_each(corpus)
    relevant = {key: [doc for doc in relevant[key] if doc in corpus] for key in queries}
    queries = {key: text for key, text in queries.items() if relevant[key]}
    return queries, corpus, {key: relevant[key] for key in queries}


def peer_with(model, vectors):
    """The peer's model with its own vectors, embedded once for all settings."""
    peer = embeddings.peer_of(model)
    peer.similarity_fn_name = "cosine"

    def encode(kind):
        def look_up(texts, **_):
            found = torch.from_numpy(np.stack([vectors[kind][text] for text in texts]))
            return torch.nn.functional.normalize(found).numpy()

        return look_up

    peer.encode_query, peer.encode_document = encode("query"), encode("document")
    return peer


def peer_sets(model, queries, corpus, relevant, settings):
    """{query text: set of passages}."""
    pairs = [(queries[key], corpus[doc]) for key in queries for doc in relevant[key]]
    rows = Dataset.from_dict({"query": [q for q, _ in pairs], "passage": [p for _, p in pairs]})
    silent = io.StringIO()  # progress bars and a remark, whatever `verbose` says
    with contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
        mined = mine_hard_negatives(
            rows,
            model,
            corpus=list(corpus.values()),
            output_format="triplet",
            verbose=False,
            **settings,
        )
    sets = {text: set() for text in queries.values()}
    for query, negative in zip(mined["query"], mined["negative"]):
        sets[query].add(negative)
    return sets


def attune_sets(attune, model, dataset, queries, corpus, settings):
    out = dataset.with_suffix(".negatives.jsonl")
    options = {"relative_margin": "none"} | settings
    arguments = [x for key, value in options.items() for x in ("--" + key.replace("_", "-"), value)]
    answer = json.loads(
        attune.run(
            "data",
            "mine",
            *("--model", model, "--dataset", dataset, "--output", out, "--json"),
            *arguments,
        )
    )
    sets = {}
    for line in out.read_text("utf-8").splitlines():
        row = json.loads(line)
        sets[queries[row["query_id"]]] = {corpus[doc] for doc in row["negatives"]}
    return sets, answer


def tied_queries(vectors, queries, corpus, relevant, settings):
    """Texts of the queries whose set rounding may decide: a score within NEAR of a limit, or of its
    neighbour where the ranking is cut.
    """
    texts = list(dict.fromkeys(corpus.values()))
    docs = np.stack([vectors["document"][text] for text in texts]).astype(np.float64)
    docs /= np.linalg.norm(docs, axis=1, keepdims=True)
    number = {text: i for i, text in enumerate(texts)}
    answers, rows = {}, {}
    for key, text in queries.items():
        answers.setdefault(text, set()).update(number[corpus[doc]] for doc in relevant[key])
        rows[text] = rows.get(text, 0) + len(relevant[key])
    most, n = max(rows.values()), settings["num_negatives"]
    low = settings.get("range_min", 0)
    drops = {"absolute_margin", "relative_margin", "max_score"} & settings.keys()
    high = settings.get("range_max", low + (10 * n if drops else n) + most)
    tied = set()
    for text, positives in answers.items():
        query = vectors["query"][text].astype(np.float64)
        scores = docs @ (query / np.linalg.norm(query))
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        cut = high + most
        near = cut < len(ranked) and ranked[cut - 1] - ranked[cut] < NEAR
        lowest = scores[list(positives)].min()
        upper, lower = [], settings.get("min_score", -np.inf)
        if "absolute_margin" in settings:
            upper.append(lowest - settings["absolute_margin"])
        if "relative_margin" in settings:
            upper.append(lowest - abs(lowest) * settings["relative_margin"])
        if "max_score" in settings:
            upper.append(settings["max_score"])
        candidates = [i for i in order[:cut] if i not in positives]
        values = scores[candidates]
        near |= any((np.abs(values - limit) < NEAR).any() for limit in [*upper, lower])
        left = values[(values <= min(upper, default=np.inf)) & (values >= lower)][:high]
        for place in (low, low + n):
            near |= 0 < place < len(left) and left[place - 1] - left[place] < NEAR
        if near:
            tied.add(text)
    return tied


def _cosines(vectors, queries, corpus):
    query, document = (
        np.stack([vectors[kind][text] for text in texts.values()]).astype(np.float64)
        for kind, texts in (("query", queries), ("document", corpus))
    )
    query /= np.linalg.norm(query, axis=1, keepdims=True)
    return query @ (document / np.linalg.norm(document, axis=1, keepdims=True)).T


def _nearer(scores, queries, corpus, relevant):
    """Relevant passages that a random model ranks high: as many for each query as before."""
    ids, ranked = list(corpus), np.argsort(-scores, axis=1, kind="stable")
    return {
        key: [ids[ranked[i, (i + 3 * j) % 12]] for j in range(len(relevant[key]))]
        for i, key in enumerate(queries)
    }


def _scaled(settings, scores):
    """The settings with limits that fit a random model, whose scores lie close together."""
    limits = {
        "max_score": float(np.quantile(scores, 0.98)),
        "min_score": float(np.quantile(scores, 0.3)),
        "absolute_margin": float(0.1 * scores.std()),
        "relative_margin": float(0.2 * scores.std() / abs(scores.mean())),
    }
    return {key: limits.get(key, value) for key, value in settings.items()}


def _rows(table, context, name, model, queries, corpus, relevant, chosen=tuple(SETTINGS)):
    queries, corpus, relevant = distinct(queries, corpus, relevant)
    place = context.work / f"mining_{name}.json".replace(" ", "_").replace(",", "")
    vectors = {
        kind: dict(zip(texts, embeddings.expected(model, texts, role)))
        for kind, role, texts in (
            ("query", "query", list(dict.fromkeys(queries.values()))),
            ("document", "text", list(dict.fromkeys(corpus.values()))),
        )
    }
    peer = peer_with(model, vectors)
    scores = None if model == context.base else _cosines(vectors, queries, corpus)
    if scores is not None:
        relevant = _nearer(scores, queries, corpus, relevant)
    generated_texts.write_dataset(place, queries, corpus, relevant)
    for what in chosen:
        settings = SETTINGS[what] if scores is None else _scaled(SETTINGS[what], scores)
        if "range_max" in settings and settings["range_max"] > len(corpus):
            settings = settings | {"range_max": len(corpus) + 5}
        table.guard(
            f"hard negatives, {what}: {name}",
            oracle_name(),
            _row,
            *(context, f"{what}: {name}", model, peer, place, vectors),
            *(queries, corpus, relevant, settings),
        )


def _row(table, context, what, model, peer, place, vectors, queries, corpus, relevant, settings):
    tied = tied_queries(vectors, queries, corpus, relevant, settings)
    expected = peer_sets(peer, queries, corpus, relevant, settings)
    found, answer = attune_sets(context.attune, model, place, queries, corpus, settings)
    # attune writes all negatives of a query or none; the peer's triplets are those that there are.
    n = settings["num_negatives"]
    expected = {text: texts if len(texts) == n else set() for text, texts in expected.items()}
    asked = [text for text in expected if text not in tied]
    different = sum(found[text] != expected[text] for text in asked)
    full = sum(len(expected[text]) == n for text in asked)
    note = f"{full} queries with {n} negatives, {len(asked) - full} with fewer"
    if tied:
        note += f"; {len(tied)} queries with near ties (scores within {NEAR:g}) left out"
    if full == 0 or answer["queries"] + answer["too_few"] != len(queries):
        raise ValueError(f"nothing is compared: {note}; {answer}")
    cases = f"{len(asked)} queries, {len(corpus)} passages"
    table.add(f"hard negatives, {what}", oracle_name(), cases, different, 0, note)


def rows(table, context):
    sizes = (150, 60) if context.quick else (600, 300)
    sets = {"bge": ("bge, generated", context.shapes["bge"], 50)}
    if context.base:
        sets["MiniLM"] = ("MiniLM, generated", context.base, 51)
    for short, (name, model, seed) in sets.items():
        queries, corpus, relevant = generated_texts.retrieval_set(seed, *sizes)
        # Some passages and questions stand there twice, with answers of their own.
        again = list(corpus.items())[:10]
        corpus |= {f"{key}-again": text for key, text in again}
        for key in list(queries)[:10]:
            queries[f"{key}-again"] = queries[key]
            relevant[f"{key}-again"] = [again[len(relevant) % 10][0], again[3][0] + "-again"]
        table.guard(
            f"hard negatives: {name}",
            oracle_name(),
            _rows,
            *(context, name, model, queries, corpus, relevant),
            REAL_SETTINGS if context.quick and short == "MiniLM" else tuple(SETTINGS),
        )
    if not context.base:
        return
    for file in () if context.quick else REAL:
        real = corpora.find(file)
        if real is None:
            table.remark(f"{file} is not there: hard negatives on the other sets alone")
            continue
        data = corpora.read(real)
        queries = dict(list(data["queries"].items())[:: max(1, len(data["queries"]) // 500)])
        name = "MiniLM, " + file.split("/")[0]
        table.guard(
            f"hard negatives: {name}",
            oracle_name(),
            _rows,
            *(context, name, context.base),
            *(queries, data["corpus"], data["relevant_docs"], REAL_SETTINGS),
        )
