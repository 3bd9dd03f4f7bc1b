#!/usr/bin/env python3
"""Writes tests/fixtures/metrics: random rankings and what two peers make of them.

    HF_HUB_OFFLINE=1 .venv/bin/python tests/oracles/make_metric_fixtures.py

Needs sentence-transformers and pytrec-eval-terrier. Both are asked query by query, so that per-query values
are compared and not only means. trec_eval has no reciprocal rank with a cut-off: it is asked with the
ranking cut to k. Where a query retrieved nothing trec_eval gives no value; the fixture then holds null.
"""

import importlib.metadata
import json
import os
import pathlib
import random

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import pytrec_eval
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

CUTS = [1, 3, 5, 10, 100]
TREC = {"success": "success", "P": "precision", "recall": "recall", "ndcg_cut": "ndcg", "map_cut": "map"}


def make_rankings(rng):
    """[(retrieved, relevant)]: corpus rows in rank order, relevant rows."""
    rankings = []
    for size in [1, 2, 4, 7, 10, 30, 99, 100, 130]:
        for relevant in [1, 1, 2, 5, 12, 150]:
            corpus = range(200)
            retrieved = rng.sample(corpus, size)
            if relevant <= size and rng.random() < 0.7:  # some of them found
                found = rng.sample(retrieved, rng.randint(1, relevant))
                missed = rng.sample(sorted(set(corpus) - set(retrieved)), relevant - len(found))
                rankings.append((retrieved, sorted(found + missed)))
            else:
                rankings.append((retrieved, sorted(rng.sample(corpus, relevant))))
    rankings.append(([], [3]))  # nothing retrieved
    rankings.append((list(range(50)), [60, 61, 62]))  # nothing relevant retrieved
    rankings.append((list(range(120)), list(range(120))))  # everything relevant
    rankings.append((list(range(120)), [119]))  # found behind the last cut
    return rankings


def sentence_transformers_values(retrieved, relevant):
    evaluator = InformationRetrievalEvaluator(
        queries={"q": ""},
        corpus={str(row): "" for row in retrieved},
        relevant_docs={"q": {str(row) for row in relevant}},
        mrr_at_k=CUTS, ndcg_at_k=CUTS, accuracy_at_k=CUTS, precision_recall_at_k=CUTS, map_at_k=CUTS)
    hits = [{"corpus_id": str(row), "score": float(-rank)} for rank, row in enumerate(retrieved)]
    values = evaluator.compute_metrics([hits])
    return {name.replace("accuracy", "hit_rate").replace("@k", f"@{k}"): float(value)
            for name, by_cut in values.items() for k, value in by_cut.items()}


def trec_eval_values(retrieved, relevant):
    if not retrieved:
        return None
    qrels = {"q": {str(row): 1 for row in relevant}}
    cuts = ",".join(map(str, CUTS))
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, {f"{name}.{cuts}" for name in TREC})
    run = {str(row): float(-rank) for rank, row in enumerate(retrieved)}
    values = {f"{TREC[name.rsplit('_', 1)[0]]}@{name.rsplit('_', 1)[1]}": value
              for name, value in evaluator.evaluate({"q": run})["q"].items()}
    reciprocal = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"})
    for k in CUTS:
        cut = {str(row): float(-rank) for rank, row in enumerate(retrieved[:k])}
        values[f"mrr@{k}"] = reciprocal.evaluate({"q": cut})["q"]["recip_rank"]
    return values


def table(rankings, ask):
    """{metric: [a value for each ranking, or null]}"""
    answers = [ask(*ranking) for ranking in rankings]
    names = sorted(next(answer for answer in answers if answer))
    return {name: [answer and answer[name] for answer in answers] for name in names}


def main():
    folder = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "metrics"
    folder.mkdir(parents=True, exist_ok=True)
    rankings = make_rankings(random.Random(7))
    for name, package, ask in [
        ("sentence_transformers", "sentence-transformers", sentence_transformers_values),
        ("trec_eval", "pytrec-eval-terrier", trec_eval_values),
    ]:
        peer = f"{package} {importlib.metadata.version(package)}"
        fixture = {
            "peer": peer,
            "made_by": "tests/oracles/make_metric_fixtures.py",
            "cuts": CUTS,
            "rankings": [{"retrieved": retrieved, "relevant": relevant} for retrieved, relevant in rankings],
            "values": table(rankings, ask),
        }
        path = folder / f"{name}.json"
        # One line for each ranking and metric.
        text = json.dumps(fixture).replace('{"retrieved"', '\n{"retrieved"').replace('], "', '],\n"').replace(', \n', ',\n')
        path.write_text(text + "\n")
        print(f"{path.name}: {peer}, {len(rankings)} rankings, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
