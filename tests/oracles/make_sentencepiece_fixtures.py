#!/usr/bin/env python3
"""Writes tests/fixtures/sentencepiece/*: small models and what sentencepiece, transformers and `tokenizers` make of them.

    .venv/bin/python tests/oracles/make_sentencepiece_fixtures.py

unigram.model       300 pieces, XLM-R's first ones, with a few rules of normalisation
bpe.model           BPE with byte fallback and user-defined pieces, Gemma's first ones
tokenizer.json      unigram.model as transformers converts it for XLM-R
golden.json         ids of all three; what Precompiled makes of texts with charsmaps made here (base64)
"""

import base64
import json
import os
import random
import tempfile

import sentencepiece
import tokenizers
import transformers
from tokenizers import models, normalizers

from charsmap_bytes import charsmap
from sentencepiece_parity import GEMMA, SPACE, Directories, around_special_tokens, converted, train

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures", "sentencepiece")
LINES = """the model reads a passage and a question
training makes the vectors of both alike
retrieval finds the passage that answers the question
der Satz wird in kleine St\u00fccke zerlegt
les caract\u00e8res accentu\u00e9s sont l\u00e0
\u6a21\u578b\u8bfb\u53d6\u6587\u672c
tokens 1234567890 and (punctuation), too!
embedding embeddings embedded tokenizer tokenize tokenized""".split("\n")
RULES = ["FF21\t41", "FF42\t62", "3000\t20", "9\t20", "A\t20", "D A\t20", "FB01\t66 69", "2122\t54 4D", "AD\t",
         "65 301\tE9", "212B\tC5", "200B\t20"]
MARKS = [0x20, 0x61, 0x65, 0x301, 0x327, 0xFE0F, 0x200D, 0xFB01, 0x2122, 0xA9, 0xAE, 0xFF21, 0xD, 0xA, 0x600, 0x915,
         0x94D, 0x958, 0x1100, 0x1161, 0x11A8, 0xAC00, 0x1F1E6, 0x1F469, 0x903, 0xAD, 0x0]


def texts(count, seed):
    rng = random.Random(seed)
    words = " ".join(LINES).split() + [" ", "  ", "\t", "\n", "\r\n", "\u3000", "e\u0301", "\uff21\uff42", "\ufb01", "\u2603",
                                       "\U0001f600", "\u2122\u0301", SPACE, "\u0391", "\u6a21", "\u00ad", "\x00", "<", "9"]
    made = ["".join(rng.choice(words) + rng.choice(("", " ")) for _ in range(rng.randrange(1, 9))) for _ in range(count)]
    return ["", " ", "the model", "  two  spaces ", "\u2603\u2603\u2603", "a" * 300] + made


def train_fixtures():
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        rules.write("\n".join(RULES) + "\n")
        rules.flush()
        unigram = train(LINES * 20, model_type="unigram", vocab_size=300, normalization_rule_tsv=rules.name)
    bpe = train(LINES * 20, model_type="bpe", vocab_size=460, byte_fallback=True, add_dummy_prefix=False,
                remove_extra_whitespaces=False, normalization_rule_name="identity", allow_whitespace_only_pieces=True,
                pad_id=0, eos_id=1, bos_id=2, unk_id=3, eos_piece="<eos>", bos_piece="<bos>",
                user_defined_symbols=["<mask>", "\n", "\n\n", SPACE * 2, SPACE * 3])
    return unigram, bpe


def charsmap_cases():
    rng = random.Random(8)
    cases = []
    for _ in range(6):
        rules = {"".join(chr(rng.choice(MARKS[:-1])) for _ in range(rng.choice((1, 1, 2, 3)))):
                 "".join(chr(rng.choice(MARKS[:-1])) for _ in range(rng.randrange(3))) for _ in range(16)}
        blob = charsmap(rules)
        ask = normalizers.Precompiled(blob).normalize_str
        drawn = ["".join(chr(rng.choice(MARKS)) for _ in range(rng.randrange(1, 8))) for _ in range(60)]
        cases.append(dict(charsmap=base64.b64encode(blob).decode(), cases=[[text, ask(text)] for text in drawn]))
    return cases


def model_cases():
    """Unigram models with ties, positive scores, tokens that are there twice, with and without bytes."""
    rng = random.Random(9)
    cases = []
    for number in range(8):
        alphabet = "abc\u00e9\u4f60"
        vocabulary = [["<unk>", rng.choice((0.0, 30.0))]]
        for _ in range(40):
            token = "".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 5)))
            vocabulary.append([token, rng.choice((float(rng.randrange(-4, 1)), rng.uniform(-9, 0), 25.0))])
        if number % 2:
            vocabulary += [[f"<0x{byte:02X}>", -1.0] for byte in range(256 - number // 2)]
        model = models.Unigram([tuple(entry) for entry in vocabulary], 0, bool(number % 2))
        drawn = ["".join(rng.choice(alphabet + "xy\U0001f600\xff") for _ in range(rng.randrange(1, 20)))
                 for _ in range(20)] + ["ab<unk>x", "<unk>", "a" * 250 + "xx"]
        cases.append(dict(model=dict(type="Unigram", vocab=vocabulary, unk_id=0, byte_fallback=bool(number % 2)),
                          cases=[[text, [token.id for token in model.tokenize(text)]] for text in drawn]))
    return cases


def main():
    os.makedirs(FOLDER, exist_ok=True)
    unigram, bpe = train_fixtures()
    asked = texts(60, 1)
    with tempfile.TemporaryDirectory() as scratch:
        fast = converted(Directories(scratch).of_model("sentencepiece.bpe.model", unigram,
                                                       {"tokenizer_class": "XLMRobertaTokenizer"}))
    fast.no_truncation()
    special = around_special_tokens(["<s>", "</s>", "<mask>", "<unk>"], 30, 2)
    number = lambda piece: piece + 1 if piece else 3  # noqa: E731
    of = lambda model: sentencepiece.SentencePieceProcessor(model_proto=model).encode  # noqa: E731
    golden = {
        "versions": {"sentencepiece": sentencepiece.__version__, "tokenizers": tokenizers.__version__,
                     "transformers": transformers.__version__},
        "unigram": [[text, [0, *map(number, of(unigram)(text)), 2]] for text in asked],
        "bpe": [[text, [2, *of(bpe)(text)]] for text in asked],
        "json": [[text, fast.encode(text).ids] for text in asked + special],
        "gemma": GEMMA, "charsmaps": charsmap_cases(), "models": model_cases(),
    }
    rules = json.loads(fast.to_str())
    for name, value in (("unigram.model", unigram), ("bpe.model", bpe), ("tokenizer.json", rules),
                        ("golden.json", golden)):
        with open(os.path.join(FOLDER, name), "wb") as file:
            file.write(value if isinstance(value, bytes) else
                       json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n")
        print(name, os.path.getsize(os.path.join(FOLDER, name)), "bytes")


if __name__ == "__main__":
    main()
