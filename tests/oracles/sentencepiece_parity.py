#!/usr/bin/env python3
"""Compares sentencepiece's kinds of tokenizer with their peers, id by id, and prints a table row per corpus.

    .venv/bin/python tests/oracles/sentencepiece_parity.py [--command "build/release/attune tokenize"]
        [--data ../shared/data] [--random 100000] [--seed 1] [--quick] [--only NAME]

It trains a unigram and two BPE models on texts of several languages (../shared/data/xquad; made-up ones where that is
not there), and makes model directories of them:
  .model           with what transformers says of special tokens; expected are the ids of the sentencepiece package,
                   and of transformers' own reader of .model files around special tokens
  tokenizer.json   the same models as transformers converts them, and in older layouts that published models have;
                   expected are the ids of `tokenizers`
COMMAND is called as in tokenizer_parity.py. The exit code is 1 if any id differs.
"""

import argparse
import io
import json
import os
import random
import shlex
import subprocess
import sys
import tempfile

import sentencepiece
import tokenizers
import transformers
from tokenizers import Tokenizer
from transformers.tokenization_utils_sentencepiece import SentencePieceBackend

import tokenizer_parity as texts_of

LENGTH = 32768
SPACE = "\u2581"
GEMMA = dict(bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>")


def training_texts(data):
    """Sentences of all the languages in ../shared/data/xquad."""
    lines = []
    folder = os.path.join(data, "xquad", "raw")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for name in (name for name in names if name.endswith(".json")):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            lines += [text.replace("\n", " ") for text in texts_of.strings_in(json.load(file)) if len(text) > 12]
    if not lines:
        rng = random.Random(2)
        words = ["".join(chr(rng.choice((97, 0x3B1, 0x430, 0x627, 0x4E00)) + rng.randrange(20))
                         for _ in range(rng.randrange(2, 7))) for _ in range(800)]
        lines = [" ".join(rng.choice(words) for _ in range(12)) for _ in range(3000)]
    return lines


def train(lines, **options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, minloglevel=2, num_threads=2,
        max_sentence_length=20000, hard_vocab_limit=False, **options)
    return model.getvalue()


def models(lines):
    xlmr = train(lines, model_type="unigram", vocab_size=6000, character_coverage=0.9995)
    gemma = train(lines, model_type="bpe", vocab_size=6000, byte_fallback=True, split_digits=True,
                  add_dummy_prefix=False, remove_extra_whitespaces=False, normalization_rule_name="identity",
                  allow_whitespace_only_pieces=True, pad_id=0, eos_id=1, bos_id=2, unk_id=3, eos_piece="<eos>",
                  bos_piece="<bos>", user_defined_symbols=["<mask>", "<start_of_turn>", "<end_of_turn>"]
                  + ["\n" * n for n in range(1, 9)] + [SPACE * n for n in range(2, 17)])
    llama = train(lines, model_type="bpe", vocab_size=3000, byte_fallback=True, remove_extra_whitespaces=False,
                  normalization_rule_name="identity", character_coverage=0.99)
    t5 = train(lines, model_type="unigram", vocab_size=2000, pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
               character_coverage=0.999)
    fallback = train(lines, model_type="unigram", vocab_size=3000, byte_fallback=True, character_coverage=0.98,
                     normalization_rule_name="nmt_nfkc_cf", split_by_whitespace=False)
    return dict(xlmr=xlmr, gemma=gemma, llama=llama, t5=t5, fallback=fallback)


class Directories:
    def __init__(self, scratch):
        self.scratch = scratch

    def folder(self, config, files=()):
        folder = tempfile.mkdtemp(dir=self.scratch)
        files = {"config.json": {"model_type": "bert", "max_position_embeddings": LENGTH, "hidden_size": 32,
                                 "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 32,
                                 "vocab_size": 10000},
                 "sentence_bert_config.json": {"max_seq_length": LENGTH, "do_lower_case": False},
                 "tokenizer_config.json": config, **dict(files)}
        for name, value in files.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(value if isinstance(value, bytes) else json.dumps(value).encode())
        return folder

    def of_model(self, name, model, config):
        return self.folder(config, {name: model})

    def of_tokenizer(self, tokenizer):
        return self.folder({}, {"tokenizer.json": tokenizer.to_str().encode()})


def converted(folder):
    """The tokenizer.json that transformers saves of a directory with a .model."""
    return transformers.AutoTokenizer.from_pretrained(folder).backend_tokenizer


def rewritten(tokenizer, **sections):
    rules = json.loads(tokenizer.to_str())
    for name, value in sections.items():
        rules[name] = {**rules["model"], **value} if name == "model" else value
    return Tokenizer.from_str(json.dumps(rules))


def charsmap_of(tokenizer):
    return json.loads(tokenizer.to_str())["normalizer"]


class SlowXlmRoberta(SentencePieceBackend):
    """XLM-R's ids on transformers' reader of .model files."""

    def __init__(self, vocab_file, **options):
        self.own = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
        super().__init__(vocab_file=vocab_file, **options)

    def _convert_token_to_id(self, token):
        if token in self.own:
            return self.own[token]
        number = self.sp_model.piece_to_id(token)
        return number + 1 if number else 3


def around_special_tokens(contents, count, seed):
    rng = random.Random(seed)
    words = contents * 2 + [" ", "  ", "\n", "\t", SPACE, "a", "the", "The", "\u00e9", "e\u0301", "\u4f60", "\U0001f600",
                            "7", ".", "\u3000", "\u200b", "<", ">", "s"]
    return ["".join(rng.choice(words) for _ in range(rng.randrange(1, 14))) for _ in range(count)]


class Comparison:
    def __init__(self, command, scratch):
        self.command, self.scratch = command, scratch
        self.rows = self.differences = 0
        print(f"sentencepiece {sentencepiece.__version__}, tokenizers {tokenizers.__version__}, transformers "
              f"{transformers.__version__}, {command}, {LENGTH} tokens\n")
        print(f"| {'corpus':66} | {'texts':>8} | {'tokens':>10} | differences |")
        print(f"|{'-' * 68}|{'-' * 9}:|{'-' * 11}:|{'-' * 12}:|")

    def row(self, title, folder, texts, ids_of):
        path = os.path.join(self.scratch, "input.jsonl")
        with open(path, "w", encoding="ascii") as file:
            file.writelines(json.dumps(text) + "\n" for text in texts)
        ran = subprocess.run([*self.command, "--model", folder, "--input", path], stdout=subprocess.PIPE, check=True)
        lines = ran.stdout.decode("ascii").split("\n")[:-1]
        assert len(lines) == len(texts), f"{title}: {len(lines)} lines for {len(texts)} texts"
        tokens = differences = 0
        for start in range(0, len(texts), 10000):
            part = texts[start : start + 10000]
            for text, wanted, line in zip(part, ids_of(part), lines[start:]):
                tokens += len(wanted)
                if json.loads(line) != wanted:
                    differences += 1
                    if differences <= 3:
                        print(f"  {text!a}\n    peer {wanted}\n    ours {line}", file=sys.stderr)
        print(f"| {title:66} | {len(texts):8} | {tokens:10} | {differences:11} |", flush=True)
        self.rows += 1
        self.differences += differences

    def kind(self, name, folder, corpora, ids_of):
        for title, texts in corpora:
            self.row(f"{name}: {title}", folder, texts, ids_of)


def cut(ids, before=(), after=()):
    room = LENGTH - len(before) - len(after)
    return [*before, *ids[:room], *after]


def of_tokenizers(tokenizer):
    tokenizer.no_padding()
    tokenizer.enable_truncation(LENGTH)
    return lambda texts: [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def of_sentencepiece(model, number=lambda piece: piece, before=(), after=()):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return lambda texts: [cut([number(piece) for piece in ids], before, after)
                          for ids in processor.encode(texts, num_threads=2)]


def of_slow(tokenizer, before=(), after=()):
    return lambda texts: [cut(tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text)), before, after)
                          for text in texts]


def without(texts, words):
    return [text for text in texts if not any(word in text for word in words)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--command", default="build/release/attune tokenize")
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--random", type=int, default=100000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="of the corpora the five languages alone")
    parser.add_argument("--only", help="kinds whose name has this in it")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()

    corpora = list(texts_of.corpora(options.data)) if os.path.isdir(options.data) else []
    if options.quick:
        corpora = [(title, texts[:1000]) for title, texts in corpora if title.startswith("xquad")]
    if not corpora:
        print(f"(no corpora: {options.data} is not there)")
    code_points = texts_of.every_code_point()
    corpora.append(("code points" if options.quick else "every code point", code_points[:: 20 if options.quick else 1]))
    corpora.append((f"random strings, seed {options.seed}", texts_of.random_texts(options.random, options.seed)))

    with tempfile.TemporaryDirectory() as scratch:
        table = Comparison(shlex.split(options.command), scratch)
        make = Directories(scratch)
        trained = models(training_texts(options.data))
        special = options.random // 20

        def compare(name, folder, ids_of, own_texts=corpora):
            if not options.only or options.only in name:
                table.kind(name, folder, own_texts, ids_of)

        def around(tokens, seed):
            return [("special tokens in random places", around_special_tokens(tokens, special, seed))]

        def plain(words):  # the sentencepiece package alone does not look for special tokens
            return [(title, without(texts, words)) for title, texts in corpora]

        # XLM-R
        mask = {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "rstrip": False, "single_word": False, "normalized": False,
                "special": True}
        config = {"tokenizer_class": "XLMRobertaTokenizer", "mask_token": mask}
        folder = make.of_model("sentencepiece.bpe.model", trained["xlmr"], config)
        words = ["<s>", "</s>", "<pad>", "<unk>", "<mask>"]
        number = lambda piece: piece + 1 if piece else 3  # noqa: E731
        compare("XLM-R .model", folder, of_sentencepiece(trained["xlmr"], number, [0], [2]), plain(words))
        slow = SlowXlmRoberta(os.path.join(folder, "sentencepiece.bpe.model"), bos_token="<s>", eos_token="</s>",
                              unk_token="<unk>", pad_token="<pad>", mask_token=tokenizers.AddedToken("<mask>", lstrip=True, special=True))
        slow.own["<mask>"] = slow.sp_model.get_piece_size() + 1
        slow._added_tokens_encoder.update(slow.own)
        compare("XLM-R .model", folder, of_slow(slow, [0], [2]), around(words, 3))

        xlmr = converted(folder)
        compare("XLM-R tokenizer.json", make.of_tokenizer(xlmr), of_tokenizers(xlmr), corpora + around(words, 4))
        older = rewritten(xlmr, pre_tokenizer={"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always",
                                               "split": True},
                          normalizer={"type": "Sequence", "normalizers": [
                              charsmap_of(xlmr), {"type": "Strip", "strip_left": False, "strip_right": True},
                              {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": SPACE}]})
        compare("XLM-R tokenizer.json, spaces joined", make.of_tokenizer(older), of_tokenizers(older))
        whole = rewritten(xlmr, pre_tokenizer={"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first",
                                               "split": False})
        compare("XLM-R tokenizer.json, not split", make.of_tokenizer(whole), of_tokenizers(whole),
                corpora + around(words, 5))

        # T5
        config = {"tokenizer_class": "T5Tokenizer", "extra_ids": 20}
        folder = make.of_model("spiece.model", trained["t5"], config)
        words = ["<pad>", "</s>", "<unk>"] + [f"<extra_id_{i}>" for i in range(20)]
        compare("T5 .model", folder, of_sentencepiece(trained["t5"], after=[1]), plain(words))
        t5 = converted(folder)
        compare("T5 tokenizer.json", make.of_tokenizer(t5), of_tokenizers(t5), corpora + around(words, 6))

        # Gemma
        config = {"tokenizer_class": "GemmaTokenizer", "add_bos_token": True, "add_eos_token": True, **GEMMA}
        folder = make.of_model("tokenizer.model", trained["gemma"], config)
        words = ["<bos>", "<eos>", "<pad>", "<unk>"]
        compare("Gemma .model", folder, of_sentencepiece(trained["gemma"], before=[2], after=[1]), plain(words))
        slow = SentencePieceBackend(vocab_file=os.path.join(folder, "tokenizer.model"), **GEMMA)
        compare("Gemma .model", folder, of_slow(slow, [2], [1]),
                around(words + ["<mask>", "<start_of_turn>", "\n\n\n"], 7))
        gemma = converted(folder)
        compare("Gemma tokenizer.json", make.of_tokenizer(gemma), of_tokenizers(gemma),
                corpora + around(words + ["<mask>", "<start_of_turn>"], 8))

        # Llama
        config = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, "legacy": True}
        folder = make.of_model("tokenizer.model", trained["llama"], config)
        words = ["<s>", "</s>", "<unk>"]
        compare("Llama .model", folder, of_sentencepiece(trained["llama"], before=[1]), plain(words))
        slow = SentencePieceBackend(vocab_file=os.path.join(folder, "tokenizer.model"), legacy=True, bos_token="<s>",
                                    eos_token="</s>", unk_token="<unk>")
        compare("Llama .model", folder, of_slow(slow, [1]), around(words, 9))

        # Unigram with byte fallback, its pieces across spaces
        from transformers.convert_slow_tokenizer import SentencePieceExtractor, SpmConverter

        path = os.path.join(scratch, "fallback.model")
        with open(path, "wb") as file:
            file.write(trained["fallback"])
        proto = SentencePieceExtractor(path).proto
        fallback = SpmConverter.build_tokenizer_from_spm_proto(
            proto, [(piece.piece, piece.score) for piece in proto.pieces])
        compare("unigram with bytes, tokenizer.json", make.of_tokenizer(fallback), of_tokenizers(fallback))

        print(f"\n{table.rows} rows, {table.differences} differences")
    return 1 if table.differences else 0


if __name__ == "__main__":
    sys.exit(main())
