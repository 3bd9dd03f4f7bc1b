#!/usr/bin/env python3
"""attune's chunker against llama-index-core's SentenceSplitter, one thread each, interleaved.

    .venv/bin/python benchmarks/peers/chunking.py BINARY [--rounds 5] [--help]

BINARY is benchmarks/chunking/chunking_benchmark.cpp, built in release mode. Documents are runs of
40 passages of SQuAD (English) and XQuAD's articles (Chinese), their paragraphs joined by line
feeds; both programs cut them into passages of at most --size tokens of the same tokenizer, without
overlap, on one thread.
A time is that of cutting alone, without loading. attune's includes the search for near copies,
which the peer does not have. Medians over the rounds.
"""

import argparse
import importlib.metadata
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import measured
import tokenizers


def squad(path):
    """Texts of 40 passages, about an article each: they stand in the order of their articles."""
    corpus = json.loads(path.read_text("utf-8"))["corpus"]
    paragraphs = list(corpus.values())
    return ["\n".join(paragraphs[i : i + 40]) for i in range(0, len(paragraphs), 40)]


def xquad(path):
    articles = json.loads(path.read_text("utf-8"))["data"]
    return ["\n".join(p["context"] for p in article["paragraphs"]) for article in articles]


def peer_of(model, size):
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


def time_attune(options, path):
    ran = subprocess.run(
        [options.binary, options.base, path, str(options.size), "1"],
        stdout=subprocess.PIPE,
        check=True,
    )
    answer = json.loads(ran.stdout)
    return answer["seconds"], answer["passages"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, default=measured.ROOT.parent / "shared/data")
    parser.add_argument("--base", type=pathlib.Path, help="model directory; all-MiniLM-L6-v2")
    parser.add_argument("--size", type=int, default=254)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.base is None:
        from parity import checkpoints

        options.base = checkpoints.find_base_model()
    if options.base is None or not options.binary.is_file():
        sys.exit("all-MiniLM-L6-v2 (scripts/setup --peers, or --base) or BINARY is not there")
    sets = {
        "SQuAD, English": squad(options.data / "squad_v11/retrieval/test.json"),
        "XQuAD, Chinese": xquad(options.data / "xquad/raw/xquad.zh.json"),
    }
    splitter = peer_of(options.base, options.size)
    rows = []
    for name, texts in sets.items():
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump(texts, file)
            file.flush()
            ours, theirs = [], []
            for _ in range(options.rounds):
                seconds, our_passages = time_attune(options, file.name)
                ours.append(seconds)
                seconds, their_passages = time_peer(splitter, texts)
                theirs.append(seconds)
        mine, peer = statistics.median(ours), statistics.median(theirs)
        rows.append(
            [
                name,
                len(texts),
                f"{sum(len(text.encode()) for text in texts) / 1e6:.2f}",
                f"{len(texts) / mine:.0f} ({our_passages})",
                f"{len(texts) / peer:.1f} ({their_passages})",
                f"{peer / mine:.0f}x",
            ]
        )
    version = importlib.metadata.version("llama-index-core")
    print(f"llama-index-core {version}, {options.size} tokens, one thread, {measured.processor()}")
    heads = ["documents", "count", "MB", "attune: documents/s (passages)", "peer", "ratio"]
    print("\n".join(measured.table(heads, rows)))


if __name__ == "__main__":
    main()
