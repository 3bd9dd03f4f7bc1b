#!/usr/bin/env python3
"""attune's chunker against llama-index-core's SentenceSplitter, one thread each, interleaved.

    .venv/bin/python benchmarks/peers/chunking.py [--rounds 7] [--help]

attune's time is what chunking_benchmark prints (benchmarks/chunking). Documents are runs of 40
passages of SQuAD (English) and XQuAD's articles (Chinese), their paragraphs joined by line
feeds; both programs cut them into passages of at most --size tokens of the same tokenizer, without
overlap, on one thread.
A time is that of cutting alone, without loading. attune's includes the search for near copies,
which the peer does not have. Medians and quartiles
over the rounds, in the report.
"""

import argparse
import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys
import time

import measured

from parity import corpora

HEADS = ("documents", "count", "MB", "attune: documents/s (passages)", "peer", "ratio")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=254, help="tokens of a passage at most")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--benchmark",
        type=pathlib.Path,
        default=measured.ROOT / "build/release/chunking_benchmark",
        help="attune's chunker alone (cmake --build build/release --target chunking_benchmark)",
    )
    measured.add_options(parser)
    return parser.parse_args(arguments)


def squad(data):
    """Texts of 40 passages, about an article each: they stand in the order of their articles."""
    paragraphs = list(data["corpus"].values())
    return ["\n".join(paragraphs[i : i + 40]) for i in range(0, len(paragraphs), 40)]


def xquad(data):
    return ["\n".join(p["context"] for p in article["paragraphs"]) for article in data["data"]]


def peer_of(model, size):
    import tokenizers
    from llama_index.core.node_parser import SentenceSplitter

    tokenizer = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def tokens(text):
        return tokenizer.encode(text, add_special_tokens=False).ids

    return SentenceSplitter(
        chunk_size=size, chunk_overlap=0, tokenizer=tokens, paragraph_separator="\n"
    )


def time_peer(splitter, texts):
    began = time.perf_counter()
    passages = sum(len(splitter.split_text(text)) for text in texts)
    return time.perf_counter() - began, passages


def time_attune(options, place):
    done = subprocess.run(
        [options.benchmark, options.base, place, str(options.size), "1"],
        stdout=subprocess.PIPE,
        check=True,
    )
    answer = json.loads(done.stdout)
    return answer["seconds"], answer["passages"]


def read_sets():
    """{name: texts}; raises FileNotFoundError, with what is missing."""
    sets = {}
    for name, read, file in (
        ("SQuAD, English", squad, "squad_v11/retrieval/test.json"),
        ("XQuAD, Chinese", xquad, "xquad/raw/xquad.zh.json"),
    ):
        path = corpora.find(file)
        if path is None:
            raise FileNotFoundError(f"{file} is not in the shared data beside the repository")
        sets[name] = read(corpora.read(path))
    return sets


def measure(options, name, texts, splitter):
    """One row of the table, and its raw numbers."""
    place = options.work / "texts.json"
    place.write_text(json.dumps(texts), "utf-8")
    seconds = {"attune": [], "peer": []}
    for number in range(options.rounds):
        mine, my_passages = time_attune(options, place)
        peer, their_passages = time_peer(splitter, texts)
        seconds["attune"].append(mine)
        seconds["peer"].append(peer)
        print(f"{name}, round {number + 1}: {mine:.3f} s, {peer:.3f} s", file=sys.stderr, flush=True)
    ratio = measured.spread([p / m for m, p in zip(seconds["attune"], seconds["peer"])])
    speeds = {
        who: measured.spread([len(texts) / taken for taken in times])["median"]
        for who, times in seconds.items()
    }
    row = (
        name,
        len(texts),
        f"{sum(len(text.encode()) for text in texts) / 1e6:.2f}",
        f"{speeds['attune']:.0f} ({my_passages})",
        f"{speeds['peer']:.1f} ({their_passages})",
        f"{ratio['median']:.1f} ({ratio['low']:.1f} to {ratio['high']:.1f})",
    )
    return row, {"name": f"chunking, {name}", **seconds}


def page(options, facts, rows):
    return [
        f"# Chunking: attune and llama-index-core's SentenceSplitter ({facts['date']})",
        "",
        f"{options.rounds} rounds, interleaved; passages of at most {options.size} tokens of the "
        "same tokenizer, no overlap, one thread each; attune's time includes its search for near "
        "copies. Medians over rounds, of the ratio (the peer's time to attune's in the same round) "
        "the quartiles too.",
        "",
        *measured.table(HEADS, rows),
        "",
        "## Where",
        "",
        *measured.table(("what", "value"), facts.items()),
    ]


def main(arguments=None):
    options = parse(arguments)
    error = measured.check(options, "chunking")
    if not error and not options.benchmark.is_file():
        error = f"{options.benchmark} is not there: build it, or pass --benchmark"
    try:
        sets = {} if error else read_sets()
    except FileNotFoundError as missing:
        error = str(missing)
    if error:
        print(error, file=sys.stderr)
        return 2
    options.threads = 1
    _, facts = measured.begin(options)
    facts["llama-index-core"] = importlib.metadata.version("llama-index-core")
    splitter = peer_of(options.base, options.size)
    measurements = [measure(options, name, texts, splitter) for name, texts in sets.items()]
    facts["load after"] = round(os.getloadavg()[0], 2)
    facts["base"] = options.base_name
    lines = page(options, facts, [row for row, _ in measurements])
    path = measured.write_report(
        options.reports,
        "chunking",
        lines,
        {"facts": facts, "measurements": [raw for _, raw in measurements]},
    )
    measured.tell(path, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
