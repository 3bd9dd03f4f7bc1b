#!/usr/bin/env python3
"""The index's exact and approximate search against brute force in numpy.

    .venv/bin/python benchmarks/index/run.py [--rows 100000] [--rounds 3]
    .venv/bin/python benchmarks/index/run.py --vectors VECTORS.npy

Embeds SQuAD's questions and passages with the base model (which takes a while; --save keeps the
vectors for --vectors). The last --queries rows are asked, the others indexed, one query at a time;
each round runs attune (benchmarks/index/index_benchmark.cpp) and numpy once. Recall is the share of
numpy's k best that the graph finds, too. Ends with 1 where the exact search differs from numpy, or
recall is below 0.95.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "peers"))
import measured  # noqa: E402

from parity import corpora  # noqa: E402

DATA = ("squad_v11/retrieval/train.json", "squad_v11/retrieval/test.json")
WAYS = ("exact", "approximate")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100000)
    parser.add_argument("--vectors", type=pathlib.Path, help="use these instead of embedding")
    parser.add_argument("--save", type=pathlib.Path, help="write the vectors here")
    parser.add_argument("--what", help="for the report: what --vectors holds")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--benchmark",
        type=pathlib.Path,
        default=measured.ROOT / "build/release/index_benchmark",
        help="cmake --build build/release --target index_benchmark",
    )
    measured.add_options(parser)
    return parser.parse_args(arguments)


def embedded(options):
    """[rows + queries, dimension] of as many different texts."""
    if options.vectors:
        return np.load(options.vectors)
    texts = {}
    for name in DATA:
        data = corpora.read(corpora.find(name))
        texts |= dict.fromkeys([*data["corpus"].values(), *data["queries"].values()])
    listed = options.work / "texts.jsonl"
    chosen = list(texts)[: options.rows + options.queries]
    listed.write_text("".join(json.dumps(text) + "\n" for text in chosen), "utf-8")
    out = options.save or options.work / "vectors.npy"
    command = [options.attune, "embed", "--model", options.base, "--input", listed, "--output", out]
    subprocess.run(command, check=True)
    return np.load(out)


def benchmark(options, *words):
    command = [str(word) for word in (options.benchmark, *words)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def numpy_seconds(unit, queries, k):
    """Seconds a query, in fp32, the vectors normalised beforehand."""
    started = time.perf_counter()
    for query in queries:
        scores = unit @ (query / np.linalg.norm(query))
        best = np.argpartition(-scores, k)[:k]
        best[np.argsort(-scores[best])]
    return (time.perf_counter() - started) / len(queries)


def brute_force(vectors, queries, k):
    """Rows by descending cosine similarity, computed in double and rounded to float; ties by row."""
    unit = vectors.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    rows = []
    for block in np.array_split(queries.astype(np.float64), max(1, len(queries) // 64)):
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        for scores in (block @ unit.T).astype(np.float32):
            best = np.argpartition(-scores, 4 * k)[: 4 * k]
            rows.append(best[np.lexsort((best, -scores[best]))][:k])
    return np.array(rows)


def measure(options, vectors, queries):
    """(what building took, attune's rounds, numpy's seconds a query in each round)"""
    folder = options.work
    vectors.tofile(folder / "vectors")
    queries.tofile(folder / "queries")
    built = benchmark(options, "build", folder / "vectors", vectors.shape[1], folder / "index")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    rounds, peer = [], []
    for _ in range(options.rounds):
        words = ("search", folder / "queries", vectors.shape[1], folder / "index", options.k)
        rounds.append(benchmark(options, *words))
        peer.append(numpy_seconds(unit, queries, options.k))
    return built, rounds, peer


def shown(values, digits=2):
    of = measured.spread(values)
    return f"{of['median']:.{digits}f} ({of['low']:.{digits}f} to {of['high']:.{digits}f})"


def page(options, facts, shape, found):
    built, seconds, peer, equal, recall = found
    times = [(f"{way}, ms a query", shown([1000 * s for s in seconds[way]])) for way in WAYS]
    against = [
        (f"{way} against numpy, times as fast", shown([p / s for p, s in zip(peer, seconds[way])]))
        for way in WAYS
    ]
    ratio = [a / b for a, b in zip(seconds["exact"], seconds["approximate"])]
    rows = [
        ("exact: queries whose rows equal numpy's, in order", f"{equal} of {options.queries}"),
        (f"approximate: recall@{options.k}", f"{recall:.4f}"),
        *times,
        ("numpy (fp32, normalised beforehand), ms a query", shown([1000 * s for s in peer])),
        *against,
        ("approximate against exact, times as fast", shown(ratio, 1)),
        ("writing the index without a graph, s", f"{built['write_seconds']:.1f}"),
        ("again with its graph, s", f"{built['graph_seconds']:.1f}"),
        ("opening, s", f"{built['open_seconds']:.2f}"),
        ("verifying, s", f"{built['verify_seconds']:.2f}"),
    ]
    what = options.what or f"Questions and passages of SQuAD by {options.base_name}"
    return [
        f"# The index on {shape[0]:,} vectors of {shape[1]} numbers ({facts['date']})",
        "",
        f"{what}; {options.queries:,} queries, one at a time; {options.rounds} rounds in turns, median and "
        "quartiles; a ratio is of one round.",
        "",
        *measured.table(("what", "value"), rows),
        "",
        "## Where",
        "",
        *measured.table(("what", "value"), facts.items()),
    ]


def main(arguments=None):
    options = parse(arguments)
    error = measured.check(options, "index")
    if not error and not options.benchmark.is_file():
        error = f"{options.benchmark} is not there: build it, or pass --benchmark"
    if not error and not options.vectors and None in map(corpora.find, DATA):
        error = f"{' or '.join(DATA)} is not in the shared data beside the repository"
    if error:
        print(error, file=sys.stderr)
        return 2
    _, facts = measured.begin(options)
    everything = embedded(options)
    vectors, queries = everything[: -options.queries], everything[-options.queries :]
    built, rounds, peer = measure(options, vectors, queries)
    expected = brute_force(vectors, queries, options.k)
    equal = int((np.array(rounds[0]["exact"]["rows"]) == expected).all(axis=1).sum())
    graph = rounds[0]["approximate"]["rows"]
    recall = np.mean([len(set(a) & set(b)) / options.k for a, b in zip(graph, expected)])
    seconds = {way: [told[way]["seconds_per_query"] for told in rounds] for way in WAYS}
    facts["numpy"] = np.__version__
    facts["load after"] = round(os.getloadavg()[0], 2)
    lines = page(options, facts, vectors.shape, (built, seconds, peer, equal, recall))
    beside = [
        {"name": f"{way} search, a query", "attune": seconds[way], "peer": peer} for way in WAYS
    ]
    path = measured.write_report(
        options.reports, "index", lines, {"facts": facts, "measurements": beside}
    )
    measured.tell(path, lines)
    return 0 if equal == len(queries) and recall >= 0.95 else 1


if __name__ == "__main__":
    sys.exit(main())
