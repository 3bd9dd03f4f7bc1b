"""Token ids: attune against the tokenizers library on the model's own tokenizer.json."""

import importlib.metadata
import json
import pathlib
import re
import shlex
import subprocess
import sys

from tokenizers import Tokenizer

from . import corpora, generated_texts

ORACLE = "tokenizers"


def limit_of(model):
    """Where sentence-transformers finds the length: its own file first, then the tokenizer's."""
    own = json.loads((model / "sentence_bert_config.json").read_text("utf-8"))
    if own.get("max_seq_length"):
        return own["max_seq_length"]
    return json.loads((model / "tokenizer_config.json").read_text("utf-8"))["model_max_length"]


def expected_ids(model, texts):
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(limit_of(model))
    return [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def _row(table, attune, name, model, texts, oracle):
    expected = expected_ids(model, texts)
    got = attune.tokenize(model, texts)
    wrong = [i for i, (a, b) in enumerate(zip(expected, got)) if a != b]
    note = ""
    if wrong:
        i = wrong[0]
        note = f"first: {ascii(texts[i][:80])}: expected {expected[i][:20]}, got {got[i][:20]}"
    table.add(f"token ids: {name}", oracle, f"{len(texts)} texts", len(wrong), 0, note)


def _everything(table, context, oracle):
    """tokenizer_parity.py: its table goes to the work directory, its sum into this one."""
    script = pathlib.Path(__file__).resolve().parents[1] / "tokenizer_parity.py"
    command = [
        sys.executable,
        str(script),
        "--command",
        shlex.join([str(context.attune.binary), "tokenize"]),
        "--model",
        str(context.base),
        "--data",
        str(corpora.ROOT),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    (context.work / "tokenizer_parity.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    total = re.search(r"(\d+) rows, (\d+) differences", done.stdout)
    if not total:
        raise ValueError(f"tokenizer_parity.py ended with {done.returncode}: {done.stderr[-800:]}")
    note = (
        ""
        if corpora.ROOT.is_dir()
        else "no corpora beside the repository: code points and random strings"
    )
    table.add(
        "token ids: every corpus, code point and normaliser",
        oracle,
        f"{total[1]} sets of texts",
        int(total[2]),
        0,
        note,
    )


def _sentencepiece(table, context):
    """sentencepiece_parity.py, likewise: models trained on five languages, in both kinds of file."""
    script = pathlib.Path(__file__).resolve().parents[1] / "sentencepiece_parity.py"
    attune = shlex.join([str(context.attune.binary), "tokenize"])
    command = [sys.executable, str(script), "--command", attune, "--data", str(corpora.ROOT)]
    command += ["--quick", "--random", "2000"] if context.quick else []
    done = subprocess.run(command, capture_output=True, text=True)
    written = done.stdout + done.stderr
    (context.work / "sentencepiece_parity.txt").write_text(written, encoding="utf-8")
    total = re.search(r"(\d+) rows, (\d+) differences", done.stdout)
    if not total:
        raise ValueError(
            f"sentencepiece_parity.py ended with {done.returncode}: {done.stderr[-800:]}"
        )
    oracle = f"sentencepiece {importlib.metadata.version('sentencepiece')}, tokenizers"
    note = "" if corpora.ROOT.is_dir() else "no corpora beside the repository: made-up languages"
    table.add(
        "token ids: unigram and BPE of sentencepiece",
        oracle,
        f"{total[1]} sets of texts",
        int(total[2]),
        0,
        note,
    )


def _every_kind(table, context, oracle):
    """tokenizer_kinds_parity.py: trained tokenizers of every kind but BERT's, cuts, patterns."""
    script = pathlib.Path(__file__).resolve().parents[1] / "tokenizer_kinds_parity.py"
    command = [
        sys.executable,
        str(script),
        "--command",
        shlex.join([str(context.attune.binary), "tokenize"]),
        "--model",
        str(context.base),
        "--data",
        str(corpora.ROOT),
    ]
    if context.quick:
        command += ["--random", "1000", "--every", "200", "--only", "qwen3", "gemma"]
    done = subprocess.run(command, capture_output=True, text=True)
    (context.work / "tokenizer_kinds_parity.txt").write_text(
        done.stdout + done.stderr, encoding="utf-8"
    )
    total = re.search(r"(\d+) rows, (\d+) differences", done.stdout)
    if not total:
        raise ValueError(
            f"tokenizer_kinds_parity.py ended with {done.returncode}: {done.stderr[-800:]}"
        )
    table.add(
        "token ids: every other kind of tokenizer",
        oracle,
        f"{total[1]} sets of texts",
        int(total[2]),
        0,
    )


def rows(table, context):
    oracle = f"{ORACLE} {importlib.metadata.version('tokenizers')}"
    count = 1500 if context.quick else 20000
    generated = generated_texts.mixed_texts(11, count)
    models = dict(context.shapes)
    if context.base:
        models = {"MiniLM": context.base} | models
    for name, model in models.items():
        if name not in ("MiniLM", "e5", "bge", "cased"):
            continue
        texts = generated if name in ("MiniLM", "cased") else generated[:400]
        table.guard(
            f"token ids: {name}, generated",
            oracle,
            lambda t: _row(t, context.attune, f"{name}, generated", model, texts, oracle),
        )
    table.guard(
        "token ids: unigram and BPE of sentencepiece", "sentencepiece", _sentencepiece, context
    )
    if not context.base:
        return
    table.guard("token ids: every other kind of tokenizer", oracle, _every_kind, context, oracle)
    if not context.quick:
        table.guard("token ids: every corpus and code point", oracle, _everything, context, oracle)
        return
    for corpus, texts in corpora.texts(table, context, 400):
        table.guard(
            f"token ids: MiniLM, {corpus}",
            oracle,
            lambda t: _row(t, context.attune, f"MiniLM, {corpus}", context.base, texts, oracle),
        )
