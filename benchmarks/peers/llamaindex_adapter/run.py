#!/usr/bin/env python3
"""LlamaIndex's adapter finetuning against `attune train` with train.mode adapter, on the 10-K set.

    .venv/bin/python benchmarks/peers/llamaindex_adapter/run.py [--rounds 3] [--help]

Two questions, each with its base beside it. "another company": trained on one company's report,
asked about another's. "the same passages": one question of each passage is learnt from, the other
asked; every passage is in the corpus. The peer is EmbeddingAdapterFinetuneEngine
(llama-index-finetuning 0.4.2, written out: it cannot be installed beside these peers): a linear
adapter, four epochs, batch 10, rate 2e-5, every text embedded again by a call of its own in every
epoch. attune takes configs/experiments/finetune_embedding_adapter.yaml, whose rate and epochs come
from --choose: a grid on a split of the training file alone. Both adapters turn the same vectors and
are measured by the same code. A time is from the texts to the saved adapter, embedding included;
attune's is the whole command, without a cache. Which program goes first alternates.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import measured

import numpy as np
import torch
import yaml
from llama_index.embeddings.adapter.utils import LinearLayer
from sentence_transformers import SentenceTransformer

from parity import adapter_loop, corpora, peer_training
from parity.program import AttuneFailed

TRAIN, HELD_OUT = (f"finetune_embedding/retrieval/{name}.json" for name in ("train", "val"))
RECIPE = measured.ROOT / "configs/experiments/finetune_embedding_adapter.yaml"
SHOWN = ("hit_rate@5", "mrr@10", "ndcg@10")
GRID = [(rate, epochs) for rate in (5e-5, 1e-4, 2e-4, 3e-4, 5e-4) for epochs in (5, 10, 15)]


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="timed runs of each program")
    parser.add_argument("--epochs", type=int, default=4, help="of the peer")
    parser.add_argument("--choose", action="store_true", help="print the grid and stop")
    measured.add_options(parser)
    return parser.parse_args(arguments)


def subset(data, keys):
    return {
        "queries": {key: data["queries"][key] for key in keys},
        "corpus": data["corpus"],
        "relevant_docs": {key: data["relevant_docs"][key] for key in keys},
    }


def other_company():
    return corpora.read(corpora.find(TRAIN)), corpora.read(corpora.find(HELD_OUT))


def same_passages():
    """Of each passage's questions the first to learn from, the others to ask."""
    data = corpora.read(corpora.find(TRAIN))
    seen, learnt, asked = set(), [], []
    for key in data["queries"]:
        passage = data["relevant_docs"][key][0]
        (asked if passage in seen else learnt).append(key)
        seen.add(passage)
    return subset(data, learnt), subset(data, asked)


def split_of_training():
    """Every fifth passage, with its questions, held back from the training file."""
    data = corpora.read(corpora.find(TRAIN))
    held = set(list(data["corpus"])[::5])
    parts = {True: [], False: []}
    for key in data["queries"]:
        parts[data["relevant_docs"][key][0] in held].append(key)
    return subset(data, parts[False]), subset(data, parts[True])


def write(options, name, data):
    path = options.work / f"{name}.json"
    path.write_text(json.dumps(data | {"mode": "text"}), encoding="utf-8")
    return path


class Vectors:
    """The base's vectors of a question's set, and what an adapter makes of them."""

    def __init__(self, base, data):
        self.corpus = base.encode(list(data["corpus"].values()), normalize_embeddings=True)
        self.queries = torch.from_numpy(base.encode(list(data["queries"].values())))
        place = {key: i for i, key in enumerate(data["corpus"])}
        self.right = [[place[d] for d in data["relevant_docs"][key]] for key in data["queries"]]

    def metrics(self, adapter=None):
        """{metric: value of each query}"""
        with torch.no_grad():
            queries = (adapter(self.queries) if adapter else self.queries).numpy()
        scores = queries @ self.corpus.T
        ranks = np.array(
            [1 + (row > row[right].max()).sum() for row, right in zip(scores, self.right)]
        )
        return {
            "hit_rate@5": (ranks <= 5).astype(float),
            "mrr@10": np.where(ranks <= 10, 1 / ranks, 0.0),
            "ndcg@10": np.where(ranks <= 10, 1 / np.log2(ranks + 1), 0.0),  # one right passage
        }


def interval(differences):
    """The 95 % interval of a mean: a paired bootstrap over queries."""
    draws = np.random.default_rng(0).integers(len(differences), size=(2000, len(differences)))
    means = np.asarray(differences)[draws].mean(axis=1)
    return np.quantile(means, [0.025, 0.975])


class EmbeddedEachTime:
    """As the engine's collate function: every text by a call of its own, in every epoch."""

    def __init__(self, base, texts):
        self.base, self.texts = base, texts

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, part):
        return torch.from_numpy(np.stack([self.base.encode([t])[0] for t in self.texts[part]]))


def train_peer(options, base, data, place):
    """The engine's finetune(); seconds."""
    began = time.perf_counter()
    keys = [key for key in data["queries"] if data["relevant_docs"][key]]
    queries = [data["queries"][key] for key in keys]
    passages = [data["corpus"][data["relevant_docs"][key][0]] for key in keys]
    width = base.get_embedding_dimension()
    adapter = LinearLayer(width, width)
    settings = peer_training.Settings(batch_size=10, epochs=options.epochs, learning_rate=2e-5)
    adapter_loop.peer_loop(
        adapter, EmbeddedEachTime(base, queries), EmbeddedEachTime(base, passages), settings
    )
    place.mkdir(parents=True, exist_ok=True)
    adapter.save(str(place))
    return adapter, time.perf_counter() - began


def train_attune(options, attune, data, place, **train):
    """The recipe on other data; (adapter, seconds of the command)."""
    config = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    config |= {"output": str(place), "data": {"train": str(data)}, "device": "cpu"}
    config.pop("evaluate")
    config["model"]["base"] = str(options.base)
    config["train"] |= train
    path = place.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    began = time.perf_counter()
    attune.run("train", path, "--overwrite")
    return LinearLayer.load(str(place / "artifact")), time.perf_counter() - began


def choose(options, attune, base):
    """MRR@10 of the grid on the split; the vectors are embedded once."""
    learnt, asked = split_of_training()
    vectors, data = Vectors(base, asked), write(options, "choose", learnt)
    print(f"base: MRR@10 {vectors.metrics()['mrr@10'].mean():.4f}")
    for rate, epochs in GRID:
        place = options.work / "choose_run"
        adapter, _ = train_attune(
            options, attune, data, place, learning_rate=rate, epochs=epochs
        )
        value = vectors.metrics(adapter)["mrr@10"].mean()
        print(f"rate {rate:g}, {epochs} epochs: MRR@10 {value:.4f}", flush=True)


def ask(options, attune, base, name, learnt, asked):
    data, vectors = write(options, name.replace(" ", "_"), learnt), Vectors(base, asked)
    seconds = {"attune": [], "peer": []}
    trained = {"base": None}
    for number in range(options.rounds):
        for who in ("peer", "attune") if number % 2 == 0 else ("attune", "peer"):
            place = options.work / f"{name.replace(' ', '_')}_{who}_{number}"
            if who == "peer":
                trained[who], spent = train_peer(options, base, learnt, place)
            else:
                trained[who], spent = train_attune(options, attune, data, place)
            seconds[who].append(spent)
            print(f"{name}, {who}: {spent:.1f} s", file=sys.stderr, flush=True)
    found = {who: vectors.metrics(adapter) for who, adapter in trained.items()}
    return {"name": name, "queries": len(asked["queries"]), "seconds": seconds, "metrics": found}


def page(options, result):
    cells = []
    for who in ("base", "peer", "attune"):
        row = [who]
        for metric in SHOWN:
            value = result["metrics"][who][metric]
            difference = value - result["metrics"]["base"][metric]
            low, high = interval(difference)
            shown = f"{value.mean():.4f}"
            row.append(shown if who == "base" else f"{shown} ({low:+.4f} to {high:+.4f})")
        median = statistics.median(result["seconds"][who]) if who in result["seconds"] else None
        cells.append((*row, f"{median:.1f}" if median else "-"))
    ratios = [p / a for p, a in zip(result["seconds"]["peer"], result["seconds"]["attune"])]
    ratio = measured.spread(ratios)
    heads = ("adapter", *(f"{m} (95 % of the gain)" for m in SHOWN), "seconds, median")
    return [
        f"## Asked about {result['name']}: {result['queries']} questions",
        "",
        *measured.table(heads, cells),
        "",
        f"attune is {ratio['median']:.1f} times as fast ({ratio['low']:.1f} to "
        f"{ratio['high']:.1f}); goal >= 20: {'met' if ratio['median'] >= 20 else 'missed'}.",
        "",
    ]


def main(arguments=None):
    options = parse(arguments)
    error = measured.check(options, "llamaindex_adapter")
    if not error and None in (corpora.find(TRAIN), corpora.find(HELD_OUT)):
        error = f"{TRAIN} is not in the shared data beside the repository"
    if error:
        print(error, file=sys.stderr)
        return 2
    attune, facts = measured.begin(options)
    base = SentenceTransformer(str(options.base), device="cpu")
    base.max_seq_length = 256
    try:
        if options.choose:
            choose(options, attune, base)
            return 0
        results = [
            ask(options, attune, base, name, *sets())
            for name, sets in (
                ("another company", other_company),
                ("the same passages", same_passages),
            )
        ]
    except AttuneFailed as failure:
        print(f"no comparison: {failure}", file=sys.stderr)
        return 1
    lines = [
        f"# Adapters on the 10-K set: attune against LlamaIndex's engine ({facts['date']})",
        "",
        f"Timed runs of each: {options.rounds}, interleaved; both are deterministic. The peer is "
        "its engine's loop, written out. Gains are over the base, with a paired bootstrap over the "
        "questions.",
        "",
    ]
    for result in results:
        lines += page(options, result)
    recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))["train"]
    lines += ["## Where and how", ""]
    lines += measured.table(
        ("what", "value"),
        [*facts.items(), ("base", options.base_name), ("attune's settings", recipe)],
    )
    raw = {
        "facts": facts,
        "measurements": [
            {"name": f"adapter, {r['name']}", **r["seconds"]} for r in results
        ],
        "results": [
            r
            | {
                "metrics": {
                    who: {name: list(values) for name, values in found.items()}
                    for who, found in r["metrics"].items()
                }
            }
            for r in results
        ],
    }
    path = measured.write_report(options.reports, "llamaindex_adapter", lines, raw)
    measured.tell(path, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
