#!/usr/bin/env python3
"""Compares every kind of tokenizer of the general engine with `tokenizers`, id by id.

    .venv/bin/python tests/oracles/tokenizer_kinds_parity.py [--command "build/release/attune tokenize"]
        [--model DIR] [--length 32768] [--data ../shared/data] [--random 100000] [--every 1] [--only NAME ...]

Called and compared as in tokenizer_parity.py. Three kinds of rows:
  NAME, corpus    tokenizers of tokenizer_kinds.py, trained here, on every text of the corpora
                  (--every N: on one in N), every code point and random strings; a text that stands
                  in several places is asked once. They take --length tokens: few texts are cut
  cut             tokenizers whose ids tell every byte and where pieces begin: all pre-tokenizers,
                  normalizers, options
  patterns        random regular expressions; those that attune refuses are counted
The exit code is 1 if any id differs.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile

import tokenizer_kinds as kinds
import tokenizer_parity as parity
from tokenizers import Tokenizer


def training_texts(data):
    texts = []
    for title, every in parity.corpora(data):
        if title.startswith(("xquad", "finetune")):
            texts += every[::3]
    return texts or parity.random_texts(3000, 5)


def refused(table, folder):
    """What attune says of a tokenizer that it does not read, or None."""
    path = os.path.join(table.scratch, "empty.jsonl")
    open(path, "w").close()
    ran = subprocess.run([*table.command, "--model", folder, "--input", path],
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return ran.stderr.decode("utf-8").strip() if ran.returncode == 3 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--command", default="build/release/attune tokenize")
    parser.add_argument("--model")
    parser.add_argument("--length", type=int, default=32768, help="in tokens")
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--random", type=int, default=100000)
    parser.add_argument("--patterns", type=int, default=300)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--size", type=int, default=6000, help="of the vocabularies trained")
    parser.add_argument("--only", nargs="*", help="names of trained kinds, cut, patterns")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    model = options.model or parity.default_model()
    wanted = options.only or [*kinds.TRAINED, "cut", "patterns"]
    generated = parity.random_texts(options.random, options.seed)
    hostile = generated[:: max(1, len(generated) // 4000)]
    normalization, corpora, seen = [], [], set()
    if os.path.isdir(options.data):
        for title, texts in parity.corpora(options.data):
            texts = [text for text in dict.fromkeys(texts) if text not in seen]
            seen.update(texts)
            (normalization if "(characters)" in title else corpora).append((title, texts))
    normalization = [text for _, texts in normalization for text in texts]
    texts = training_texts(options.data)
    with tempfile.TemporaryDirectory() as scratch:
        table = parity.Comparison(shlex.split(options.command), model, scratch, options.length)
        for name in (name for name in kinds.TRAINED if name in wanted):
            folder = table.model_with(kinds.TRAINED[name](texts, options.size))
            for title, every in corpora:
                part = every[:: options.every]
                table.row(f"{name}, {title}", part, folder)
                if pieces := list(parity.in_pieces(part, table.length)):
                    table.row(f"{name}, {title}, pieces", pieces, folder)
            table.row(f"{name}, NormalizationTest, CaseFolding", normalization, folder)
            table.row(f"{name}, every code point", parity.every_code_point(), folder)
            table.row(f"{name}, random strings", generated, folder)
        if "cut" in wanted:
            points = parity.every_code_point()  # most of those beyond U+33480 are no characters
            every = hostile[::4] + points[: 0x33480 // 16] + points[0x33480 // 16 :: 50]
            words = list(parity.in_pieces([t for _, texts in corpora for t in texts[:20]], 256))[:1000]
            for name, file in [*kinds.pieces(), *kinds.normalizer_kinds()]:
                folder = table.model_with(file)
                table.row(name, words + (normalization if "normalizer" in name else []) + every, folder)
        if "patterns" in wanted:
            known = 0
            for pattern in kinds.random_patterns(options.patterns, options.seed):
                file = kinds.cuts(kinds.split(pattern))
                try:
                    Tokenizer.from_str(json.dumps(file))
                except Exception:
                    continue  # the peer refuses it
                folder = table.model_with(file)
                if refused(table, folder):
                    continue
                try:
                    table.row(f"pattern {pattern!a:.50}", hostile[::4], folder)
                    known += 1
                except subprocess.CalledProcessError:
                    continue  # too many steps, which is an error of its own
            print(f"{known} of {options.patterns} random patterns are read by both")
        print(f"\n{table.rows} rows, {table.differences} differences")
    return 1 if table.differences else 0


if __name__ == "__main__":
    sys.exit(main())
