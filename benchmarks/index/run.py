#!/usr/bin/env python3
"""The index's exact and approximate search against brute force in numpy.

    .venv/bin/python benchmarks/index/run.py --texts TEXTS.jsonl [--model M] [--what WORDS]
    .venv/bin/python benchmarks/index/run.py --vectors VECTORS.npy

TEXTS.jsonl: a JSON string a line, embedded with `attune embed`; or vectors that are there already.
The last --queries rows are asked, the others indexed, one query at a time. Recall is the share of
numpy's k best that the graph finds, too. Ends with 1 where the exact search differs from numpy, or
recall is below 0.95.
"""

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=pathlib.Path)
    parser.add_argument("--model", default=str(ROOT / ".venv/models/all-MiniLM-L6-v2"))
    parser.add_argument("--vectors", type=pathlib.Path)
    parser.add_argument("--what", default="texts", help="what was embedded, for the report")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--reports", type=pathlib.Path, default=ROOT / "benchmarks/reports")
    options = parser.parse_args()
    if (options.texts is None) == (options.vectors is None):
        parser.error("give --texts or --vectors")
    return options


def embedded(options, folder):
    if options.vectors:
        return np.load(options.vectors)
    out = folder / "vectors.npy"
    command = [options.build / "attune", "embed", "--model", options.model]
    subprocess.run(command + ["--input", options.texts, "--output", out], check=True)
    return np.load(out)


def benchmark(options, *words):
    command = [str(word) for word in (options.build / "index_benchmark", *words)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def measure(options, vectors, queries, folder):
    """What building took, the rounds of attune and those of numpy, which took turns."""
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


def main():
    options = parse()
    if not (options.build / "index_benchmark").is_file():
        sys.exit("cmake --build build/release --target index_benchmark")
    with tempfile.TemporaryDirectory() as name:
        everything = embedded(options, pathlib.Path(name))
        vectors, queries = everything[: -options.queries], everything[-options.queries :]
        built, rounds, peer_seconds = measure(options, vectors, queries, pathlib.Path(name))
    expected = brute_force(vectors, queries, options.k)
    exact = np.array(rounds[0]["exact"]["rows"])
    graph = rounds[0]["approximate"]["rows"]
    equal = int((exact == expected).all(axis=1).sum())
    recall = np.mean([len(set(a) & set(b)) / options.k for a, b in zip(graph, expected)])
    peer = 1000 * np.median(peer_seconds)
    slow, fast = (
        1000 * np.median([told[way]["seconds_per_query"] for told in rounds])
        for way in ("exact", "approximate")
    )
    rows = [
        ("exact: queries whose rows equal numpy's, in order", f"{equal} of {len(queries)}"),
        (f"approximate: recall@{options.k}", f"{recall:.4f}"),
        ("exact, ms a query", f"{slow:.2f}"),
        ("numpy (fp32, normalised beforehand), ms a query", f"{peer:.2f}"),
        ("approximate, ms a query", f"{fast:.3f}"),
        ("exact against numpy", f"{peer / slow:.2f} times as fast"),
        ("approximate against exact", f"{slow / fast:.0f} times as fast"),
        ("approximate against numpy", f"{peer / fast:.0f} times as fast"),
        ("writing the index without a graph, s", f"{told['write_seconds']:.1f}"),
        ("again with its graph, s", f"{told['graph_seconds']:.1f}"),
        ("opening, s", f"{told['open_seconds']:.2f}"),
        ("verifying, s", f"{told['verify_seconds']:.2f}"),
        ("load of the machine", f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"),
    ]
    date = datetime.date.today().isoformat()
    asked = f"{len(queries):,} queries, one at a time; medians of {options.rounds} rounds, in turns"
    lines = [
        f"# The index on {len(vectors):,} vectors of {vectors.shape[1]} numbers ({date})",
        "",
        f"{options.what}; {asked}.",
        "",
        "| what | value |",
        "| --- | --- |",
        *(f"| {what} | {value} |" for what, value in rows),
    ]
    text = "\n".join(lines) + "\n"
    (options.reports / f"index-{date}.md").write_text(text)
    print(text)
    sys.exit(0 if equal == len(queries) and recall >= 0.95 else 1)


if __name__ == "__main__":
    main()
