#!/usr/bin/env python3
"""Writes tests/fixtures/tokenizer/*.json: what `tokenizers` and transformers make of small inputs.

    .venv/bin/python tests/oracles/make_tokenizer_fixtures.py

tokenizer.json          a tokenizer of about 300 tokens, made here
golden.json             ids of it, by text and length, and normalised strings for all switches
kinds.json              small tokenizers of every kind of tokenizer_kinds.py, and ids of theirs
vocabulary_txt.json     directories without tokenizer.json, and what BertTokenizer makes of them
"""

import itertools
import json
import os
import random
import string
import tempfile

import tokenizer_kinds
import tokenizer_parity
import tokenizers
import transformers
from tokenizers import Tokenizer, normalizers

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures", "tokenizer")
NAMED = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ("the of and to in is for that with this model query passage text token train trained "
         "training retrieve retrieval embedding tokenizer hello world uber cafe resume").split()
SUFFIXES = "ing ed er s ly tion ment ization ize able est".split()
OTHER = list("\u00e9\u00df\u03c3\u03c2\u0436\u4f60\u597d\u0930\u093e\u1100\u1161\u11a8\u0130\u302e")

TEXTS = [
    "", " ", " \t\r\n\u3000\u00a0 ", "Hello, world!", "the training of tokenizers", "[SEP]",
    "a [MASK] b[MASK]c [mask] [CLS][SEP]", "<e1>the <e1> model</e2>  , A<e1>x", "Caf\u00e9 r\u00e9sum\u00e9 CAFE\u0301",
    "\u4f60\u597dworld\u4f60", "Stra\u00dfe \u03a3\u03a3\u03a3 \u0130stanbul", "\uac01 \u1100\u1161\u11a8",
    "a\u0000b\ufffdc\u200bd\u00ade", "x" * 100, "x" * 101, "e\u0301" * 60, "unknown\u2603word \u2603",
    "\u302e\u0316\u302f\u0301a", "don't stop-it e.g. 3.14 $5 ^_^", "a\u2028b\u0085c", "\U0001f469\u200d\U0001f52c\ufe0f!",
    "trainingtokenizationable", "Token TOKEN tokeN", "\u0344\u1d165\U0001d16e\U0001d165z",
]


def tiny_tokenizer():
    vocabulary = list(NAMED) + list(string.ascii_lowercase + string.digits + string.punctuation)
    vocabulary += ["##" + c for c in string.ascii_lowercase + string.digits]
    vocabulary += WORDS + ["##" + s for s in SUFFIXES] + OTHER + ["##" + c for c in OTHER]
    vocabulary += [a + b for a, b in itertools.product("bcdfgmpst", "aeiou")]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(vocabulary))}

    def added(content, special, **flags):
        vocabulary_id = vocabulary.get(content, len(vocabulary) + len(extra))
        if content not in vocabulary:
            extra.append(content)
        flags = {**dict(single_word=False, lstrip=False, rstrip=False, normalized=not special), **flags}
        return dict(id=vocabulary_id, content=content, special=special, **flags)

    extra = []
    tokens = [added(t, True, lstrip=t == "[MASK]") for t in NAMED]
    tokens.append(added("<e1>", False, single_word=True, normalized=False, rstrip=True))
    tokens.append(added("</E2>", False))
    return {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 7, "strategy": "LongestFirst", "stride": 0},
        "padding": None, "added_tokens": tokens,
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                       {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {t: {"id": t, "ids": [vocabulary[t]], "tokens": [t]}
                               for t in ("[CLS]", "[SEP]")}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocabulary},
    }


def golden(rules):
    peer = Tokenizer.from_str(json.dumps(rules))
    cases = []
    for length in (512, 2, 3, 5):
        peer.enable_truncation(length)
        cases += [dict(text=t, max_length=length, ids=peer.encode(t).ids) for t in TEXTS]
    rng = random.Random(3)
    normal = []
    for clean, chinese, strip, lower in itertools.product((True, False), repeat=4):
        switches = dict(clean_text=clean, handle_chinese_chars=chinese, strip_accents=strip, lowercase=lower)
        ask = normalizers.BertNormalizer(**switches).normalize_str
        drawn = ["".join(chr(rng.choice((rng.randrange(0x20, 0x250), rng.randrange(0x300, 0x370),
                                         rng.randrange(0x1D160, 0x1D175), rng.randrange(0x3000, 0x3100))))
                         for _ in range(12)) for _ in range(6)]
        normal.append(dict(**switches, cases=[[t, ask(t)] for t in TEXTS + drawn if len(t) < 60]))
    return dict(cases=cases, normalize=normal)


def directories():
    base = NAMED + ["a", "b", "##b", "foo", "[X]", "\u00e9", "e", "\u4f60", "\u4f60b"]
    lines = "\n".join(base) + "\n"
    flags = dict(lstrip=True, rstrip=False, normalized=False, single_word=False, __type="AddedToken")
    return [
        (lines, None, None),
        (lines, {"tokenizer_class": "BertTokenizerFast", "do_lower_case": False}, None),
        (lines, {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False}, None),
        (lines, {"strip_accents": False}, None),
        (lines + "<s>\n", {"cls_token": "<s>", "mask_token": {"content": "[MASK]", **flags}}, None),
        (lines + "<s>\n", {"cls_token": "[CLS]"}, {"cls_token": "<s>"}),
        (lines + "<s>\n", {"cls_token": "[CLS]", "added_tokens_decoder": {
            "9": {"content": "[X]", "special": True, **flags},
            "8": {"content": "foo", "special": False, "lstrip": False, "rstrip": False,
                  "normalized": True, "single_word": True}}}, {"cls_token": "<s>"}),
        (lines, {"additional_special_tokens": ["[X]"]}, None),
        (lines.replace("\n", "\r\n") + "a\n\n", {}, None),
        (lines.replace("foo\n", "foo\u3000 \n b\n"), {}, None),
    ]


def vocabulary_cases():
    text = "a [MASK] b abb foo[X] [CLS]foo food <s> \u00c9 \u4f60b A \u00e9"
    rows = []
    for lines, config, special_map in directories():
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "vocab.txt"), "w", encoding="utf-8", newline="") as file:
                file.write(lines)
            for name, value in (("tokenizer_config.json", config), ("special_tokens_map.json", special_map),
                                ("config.json", {"model_type": "bert"})):
                if value is not None:
                    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                        json.dump(value, file)
            ids = transformers.AutoTokenizer.from_pretrained(folder)(text)["input_ids"]
        rows.append(dict(vocabulary=lines, config=config, special_tokens_map=special_map, text=text, ids=ids))
    return dict(cases=rows)


SENTENCES = [
    "The quick brown fox jumps over the lazy dog; it doesn't care, and we'll see what they've done.",
    "I'M HERE, DON'T YOU'RE IT'S: 12345 67 8, 3.14 and 2\u00b2 = 4; see https://example.org/a_b?c=d",
    "def f(x):\n    return x + 1  # comment\n\n\tif x:\r\n        pass\n",
    "Die Stra\u00dfe f\u00fchrt \u00fcber den Flu\u00df; \u00c4pfel, \u00d6l und \u00dcbung.",
    "El ni\u00f1o comi\u00f3 una manzana. \u00bfQu\u00e9 pas\u00f3 ma\u00f1ana?",
    "\u6771\u4eac\u306f\u65e5\u672c\u306e\u9996\u90fd\u3067\u3059\u3002\u4eca\u65e5\u306f\u6674\u308c\u3001\u30c6\u30b9\u30c8\u3002",
    "\u4e16\u754c\u4e0a\u6700\u957f\u7684\u6cb3\u662f\u5c3c\u7f57\u6cb3\uff0c\u957f\u5ea6\u4e3a6650\u516c\u91cc\u3002",
    "\u0645\u0646 \u0647\u0648 \u0627\u0644\u0631\u0626\u064a\u0633\u061f \u0641\u064a \u0639\u0627\u0645 \u0661\u0669\u0668\u0664\u060c",
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u092d\u093e\u0937\u093e \uac01\uac00 \ud55c\uad6d\uc5b4 \u0416\u0443\u043a \u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2",
]


def hostile_texts():
    marks = ["'\u017f 'S don't DON'T \u212aelvin", "a" * 70 + " b", "  " * 9 + "x", "\n \n\r\n\t x \n",
             "<mask> a<mask>b [MASK]  [CLS]<s></s><unk>", "<|endoftext|>x<|im_start|> <bos>y",
             "\u2581\u2581a \u2581b", "e\u0301 \ufb01 \u1e9b\u0323 \u2126 \uff21", "\u1c89\u105c0 \U0001e5d0 \u0897",
             "\U0001f469\u200d\U0001f52c 1\u20e3", "``quoted'' \u3000\u00a0\u2028", "x\u0000y\u007f\u0085z",
             "aabbaabb ab.a.b..a", "\u00bd\u00b2\u2167\u0be7\u0967\u3007", "_a_b \u24b6\u24d0", " leading and trailing "]
    drawn = [t[:14] for t in tokenizer_parity.random_texts(90, 9)]
    return [t for t in TEXTS if len(t) < 90] + marks + SENTENCES + drawn


def kinds():
    """Trained kinds whole; of those that show where a text is cut, the two sections that differ."""
    license_text = os.path.join(FOLDER, "..", "..", "..", "LICENSE")
    with open(license_text, encoding="utf-8") as file:
        training = file.read().split("\n\n") + SENTENCES * 8
    texts = hostile_texts()
    few = list(range(0, len(texts), 5))
    trained = []
    for name, make in tokenizer_kinds.TRAINED.items():
        rules = make(training, 500)
        peer = Tokenizer.from_str(json.dumps(rules))
        ids = [peer.encode(t).ids for t in texts]
        peer.enable_truncation(9)
        trained.append(dict(name=name, tokenizer=rules, ids=ids, cut=[peer.encode(texts[i]).ids for i in few]))
        peer.enable_truncation(9, direction="left")
        trained[-1]["cut_left"] = [peer.encode(texts[i]).ids for i in few]
    shown = []
    for name, rules in [*tokenizer_kinds.pieces(), *tokenizer_kinds.normalizer_kinds()]:
        peer = Tokenizer.from_str(json.dumps(rules))
        shown.append(dict(name=name, normalizer=rules["normalizer"], pre_tokenizer=rules["pre_tokenizer"],
                          ids=[peer.encode(texts[i]).ids for i in few]))
    return dict(texts=texts, few=few, trained=trained, shell=tokenizer_kinds.cuts(), shown=shown)


def main():
    versions = {"tokenizers": tokenizers.__version__, "transformers": transformers.__version__}
    os.makedirs(FOLDER, exist_ok=True)
    rules = tiny_tokenizer()
    for name, value in (("tokenizer.json", rules), ("golden.json", {"versions": versions, **golden(rules)}),
                        ("kinds.json", {"versions": versions, **kinds()}),
                        ("vocabulary_txt.json", {"versions": versions, **vocabulary_cases()})):
        with open(os.path.join(FOLDER, name), "w", encoding="ascii") as file:
            json.dump(value, file, separators=(",", ":"))
            file.write("\n")
        print(name, os.path.getsize(os.path.join(FOLDER, name)), "bytes")


if __name__ == "__main__":
    main()
