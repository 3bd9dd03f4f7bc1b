#!/usr/bin/env python3
"""attune against its peers at embedding texts on the processor, interleaved.

    .venv/bin/python benchmarks/peers/encode.py [--data medquad] [--rounds 5] [--help]

The peers are sentence-transformers, ONNX Runtime and CTranslate2 (`scripts/setup --benchmarks`), as
encoders.py describes them. Each round runs every program once, in rotated order. A time is
tokenisation and the model, without loading; a peer has embedded one batch before, attune comes as a
fresh process and counts its own seconds. Vectors are compared with sentence-transformers' in fp32:
an fp32 program further away than 1e-4 (1 - cosine, worst text), or one that rounds products to bf16
further than 2e-2, fails the benchmark (exit 1, no report of speed). What int8 costs is stated
instead, also as hit@10 and MRR@10 of the data set's own queries.
"""

import argparse
import gc
import importlib.util
import os
import statistics
import sys

import encoders
import measured
import numpy as np

from parity import corpora
from parity.program import AttuneFailed

DATA = {
    "medquad": ("medquad/retrieval/test.json", "medquad/retrieval/val.json"),
    "10-K": ("finetune_embedding/retrieval/train.json", "finetune_embedding/retrieval/val.json"),
}
LIMITS = {"fp32": 1e-4, "fp32-medium": 2e-2, "bf16": 2e-2}  # 1 - cosine of the worst text


class Disagreement(ValueError):
    """A program computed something else than the others: there is no speed to compare."""


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", choices=DATA, default="medquad", help="whose passages")
    parser.add_argument("--texts", type=int, default=2000, help="fewer where the set has fewer")
    parser.add_argument("--max-length", type=int, default=256)
    measured.add_options(parser)
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.texts < encoders.BATCH_SIZE:
        parser.error(f"--rounds must be at least 1, --texts at least {encoders.BATCH_SIZE}")
    return options


def distances(vectors, reference):
    """1 - cosine of each row."""
    if vectors.shape != reference.shape:
        raise Disagreement(f"vectors of shape {vectors.shape} beside {reference.shape}")
    a, b = vectors.astype(np.float64), reference.astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return 1 - (a * b).sum(axis=1) / norms


def run_once(program, texts):
    encode = program.load()
    if program.program != "attune":
        encode(texts[: encoders.BATCH_SIZE])
    vectors, seconds = encode(texts)
    del encode
    gc.collect()
    return vectors, seconds


def measure(options, attune, texts):
    """One dict a program, the reference first: name, program, precision, seconds (one a round),
    tokens, distance (worst of all rounds), mean distance, and, for attune, peak MiB.

    Wants options.base, .work, .threads, .rounds and .max_length. Raises Disagreement, AttuneFailed.
    """
    # The tokenizers' own default, which `measured` turns off for training, and their threads.
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    os.environ["RAYON_NUM_THREADS"] = str(options.threads)
    tokens, peaks, reference = sum(encoders.token_counts(options, texts)), [], None
    every = encoders.programs(options, attune, peaks)
    rows = {
        program.name: {
            "name": program.name,
            "program": program.program,
            "precision": program.precision,
            "seconds": [],
            "tokens": tokens,
            "distance": 0.0,
            "mean distance": 0.0,
        }
        for program in every
    }
    for number in range(options.rounds):
        turn = number % len(every)
        for program in every[turn:] + every[:turn]:
            vectors, seconds = run_once(program, texts)
            reference = vectors if reference is None else reference
            apart, row = distances(vectors, reference), rows[program.name]
            row["seconds"].append(seconds)
            row["distance"] = max(row["distance"], float(apart.max()))
            row["mean distance"] = max(row["mean distance"], float(apart.mean()))
            if program.program == "attune":
                row["peak MiB"] = max(row.get("peak MiB", 0), peaks[-1] // 1024)
            print(
                f"round {number + 1}: {program.name} {seconds:.3f} s, "
                f"1 - cosine at most {apart.max():.2g}",
                file=sys.stderr,
                flush=True,
            )
            limit = LIMITS.get(program.precision, np.inf)
            if not apart.max() <= limit:  # not a number fails too
                raise Disagreement(
                    f"{program.name}: 1 - cosine up to {apart.max():.3g} from "
                    f"{encoders.REFERENCE}, at most {limit:g} is allowed"
                )
    return list(rows.values())


def retrieval(options, attune, passages, data):
    """Queries asked, and {name: (hit@10, MRR@10)} of the reference and every int8 program."""
    place = {key: i for i, key in enumerate(passages)}
    asked = {
        key: [place[doc] for doc in data["relevant_docs"][key] if doc in place]
        for key in data["queries"]
    }
    asked = {key: right for key, right in asked.items() if right}
    result = {"queries": len(asked), "programs": {}}
    for program in encoders.programs(options, attune, []):
        if program.name != encoders.REFERENCE and program.precision != "int8":
            continue
        encode = program.load()
        queries, _ = encode([data["queries"][key] for key in asked], role="query")
        scores = queries @ encode(list(passages.values()))[0].T
        ranks = [
            1 + np.count_nonzero(row > row[right].max())
            for row, right in zip(scores, asked.values())
        ]
        found = [1 / rank if rank <= 10 else 0.0 for rank in ranks]
        hits = statistics.mean(map(bool, found))
        result["programs"][program.name] = (hits, statistics.mean(found))
    return result


def missing(options):
    """What is not installed or not there, for people; None where nothing is missing."""
    if not all(map(importlib.util.find_spec, ("onnxruntime", "ctranslate2"))):
        return "ONNX Runtime and CTranslate2 are not installed (scripts/setup --benchmarks)"
    for name in DATA[options.data]:
        if corpora.find(name) is None:
            return f"{name} is not in the shared data beside the repository"
    return None


def read_data(options):
    """(queries and relevant passages, {id: passage} as many as asked)."""
    data = {"queries": {}, "corpus": {}, "relevant_docs": {}}
    for name in DATA[options.data]:
        read = corpora.read(corpora.find(name))
        for part in data:
            data[part] |= read[part]
    every = [(key, text) for key, text in data["corpus"].items() if text.strip()]
    step = max(1, len(every) // options.texts)
    return data, dict(every[::step][: options.texts])


def shown_spread(values, form):
    s = measured.spread(values)
    return f"{s['median']:{form}} ({s['low']:{form}} to {s['high']:{form}})"


def goals(rows, peaks):
    """A table of what attune should reach, over the rounds."""
    seconds = {row["name"]: row["seconds"] for row in rows}

    def row(precision, peers, goal):
        peer = min(peers, key=lambda name: statistics.median(seconds[name]))
        own = seconds[f"attune {precision}"]
        ratio = measured.spread([p / a for p, a in zip(seconds[peer], own)])
        share = ""
        if precision in peaks:
            speed = rows[0]["tokens"] / statistics.median(own)
            share = f"{measured.share_of_peak(speed, peaks[precision], passes=1):.0%}"
        return (
            *(f"attune {precision}, against {peer}", f">= {goal}"),
            f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})",
            "met" if ratio["median"] >= goal else "missed",
            share,
        )

    found = [row("fp32", [encoders.REFERENCE], 2), row("bf16", [encoders.REFERENCE], 4)]
    for precision in ("fp32", "bf16", "int8"):
        engines = [f"{program} {precision}" for program in ("ONNX Runtime", "CTranslate2")]
        there = [name for name in engines if name in seconds]
        if there:
            found.append(row(precision, there, 1))
    heads = ("embedding", "goal", "speed-up, median (quartiles)", "", "attune, share of peak")
    return measured.table(heads, found)


def page(options, rows, quality, lengths, peaks):
    """The report's lines on what was measured."""
    base = rows[0]["seconds"]
    cells = [
        (
            row["name"],
            shown_spread([len(lengths) / s for s in row["seconds"]], ".1f"),
            shown_spread([row["tokens"] / s for s in row["seconds"]], ".0f"),
            shown_spread([b / s for b, s in zip(base, row["seconds"])], ".2f"),
            f"{row['distance']:.1e}",
            f"{row['mean distance']:.1e}",
        )
        for row in rows
    ]
    full = sum(length == options.max_length for length in lengths)
    heads = ("program", "texts/s", "real tokens/s", f"times {encoders.REFERENCE}")
    memory = ", ".join(
        f"{row['precision']} {row['peak MiB']} MiB" for row in rows if "peak MiB" in row
    )
    return [
        f"{options.rounds} rounds of every program, interleaved, in rotated order; {len(lengths)} "
        f"passages ({options.data}), {sum(lengths)} real tokens, {min(lengths)} to {max(lengths)} "
        f"a text, median {statistics.median(lengths):g}, {full} texts at the limit of "
        f"{options.max_length}. Median and quartiles over rounds; the ratio is to "
        f"{encoders.REFERENCE} in the same round (above 1: faster).",
        "",
        *measured.table((*heads, "1 - cosine, worst", "mean"), cells),
        "",
        *goals(rows, peaks),
        "",
        "Times are tokenisation and the model, without loading. The peers run in one warm process "
        f"(batches of {encoders.BATCH_SIZE}, one before each time); attune's is a fresh process "
        f"every time, whose memory was at most: {memory}. fp32-medium is torch's matmul precision "
        f"for fp32 models. {encoders.described()}",
        "",
        f"int8 is another model than the one asked for. What that costs the {quality['queries']} "
        "queries of the set over these passages:",
        "",
        *measured.table(
            ("program", "hit@10", "MRR@10"),
            [
                (name, *(f"{value:.4f}" for value in values))
                for name, values in quality["programs"].items()
            ],
        ),
    ]


def measurements(options, rows):
    """As `attune bench compare` reads them: attune beside sentence-transformers, by precision."""
    seconds = {(row["program"], row["precision"]): row["seconds"] for row in rows}
    return [
        {
            "name": f"embedding, {precision}, {options.data}",
            "attune": seconds["attune", precision],
            "peer": seconds["sentence-transformers", precision],
        }
        for precision in ("fp32", "bf16")
    ]


def compare(options, attune, peaks):
    """(lines of a report, measurements, raw). The options of another program need only be those of
    `measured` with --rounds and --texts; `peaks` are measured.product_peaks(). Raises ValueError
    and AttuneFailed.
    """
    options = argparse.Namespace(**({"data": "medquad", "max_length": 256} | vars(options)))
    if missing(options):
        raise ValueError(missing(options))
    data, passages = read_data(options)
    texts = list(passages.values())
    rows = measure(options, attune, texts)
    quality = retrieval(options, attune, passages, data)
    lines = page(options, rows, quality, encoders.token_counts(options, texts), peaks)
    return lines, measurements(options, rows), {"programs": rows, "retrieval": quality}


def main(arguments=None):
    options = parse(arguments)
    error = measured.check(options, "encode") or missing(options)
    if error:
        print(error, file=sys.stderr)
        return 2
    attune, facts = measured.begin(options)
    try:
        found, beside, raw = compare(options, attune, measured.product_peaks())
    except (AttuneFailed, ValueError) as failure:
        print(f"no comparison: {failure}", file=sys.stderr)
        return 1
    facts["load after"] = round(os.getloadavg()[0], 2)
    facts["base"] = options.base_name
    lines = [f"# Embedding texts: attune and its peers ({facts['date']})", "", *found, ""]
    lines += ["## Where", "", *measured.table(("what", "value"), facts.items())]
    raw = {"facts": facts, "measurements": beside} | raw
    path = measured.write_report(options.reports, f"encode-{options.data}", lines, raw)
    measured.tell(path, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
