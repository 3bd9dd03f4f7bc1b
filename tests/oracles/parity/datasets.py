"""Data sets that one side writes, read by the other: LlamaIndex's class, Hugging Face datasets with
sentence-transformers' trainer, and pandas for Parquet.
"""

import dataclasses
import importlib.metadata
import importlib.util
import json

import pandas
from datasets import Dataset, load_dataset

from . import generated_texts, peer_training, training
from .peer_training import Settings


def _name(package):
    return f"{package} {importlib.metadata.version(package)}"


def dataset_class():
    """EmbeddingQAFinetuneDataset out of its own file: the package around it imports what is not
    there (requirements/llamaindex.in).
    """
    files = importlib.metadata.files("llama-index-finetuning")
    place = next(file for file in files if file.match("finetuning/embeddings/common.py"))
    spec = importlib.util.spec_from_file_location("llama_index_datasets", place.locate())
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.EmbeddingQAFinetuneDataset


def _pairs(count):
    texts = [text for text in generated_texts.mixed_texts(23, 4 * count) if text.strip()]
    return [(f"{i}: {a}", b) for i, (a, b) in enumerate(zip(texts, texts[count:]))][:count]


def _convert(context, source, target, *options):
    context.attune.run("data", "convert", source, target, *options)
    return target


def _lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _differences(expected, got):
    """Entries that are not equal; another number of them counts as many."""
    return abs(len(expected) - len(got)) + sum(a != b for a, b in zip(expected, got))


def _llamaindex(table, context, folder):
    oracle = _name("llama-index-finetuning")
    qa_dataset = dataset_class()
    pairs = _pairs(300)
    theirs = qa_dataset(
        queries={f"q{i}": query for i, (query, _) in enumerate(pairs)},
        corpus={f"d{i}": text for i, (_, text) in enumerate(pairs)},
        relevant_docs={f"q{i}": [f"d{i}", f"d{(i + 1) % len(pairs)}"] for i in range(len(pairs))},
    )
    written = folder / "theirs.json"
    theirs.save_json(str(written))
    # Through a BEIR folder and back, so that no byte is passed on as it came.
    ours = _convert(context, _convert(context, written, folder / "beir"), folder / "ours.json")
    read = qa_dataset.from_json(str(ours))
    wrong = sum(
        _differences(list(getattr(theirs, part).items()), list(getattr(read, part).items()))
        for part in ("queries", "relevant_docs")
    )
    # BEIR's dense models are given texts without white space around them.
    stripped = {key: text.strip(" \t\n\r\v\f") for key, text in theirs.corpus.items()}
    wrong += _differences(list(stripped.items()), list(read.corpus.items()))
    table.add("LlamaIndex JSON: ours read by its class", oracle, f"{len(pairs)} queries", wrong, 0)
    again = _convert(context, written, folder / "again.json")
    table.add(
        "LlamaIndex JSON: its file through ours, byte for byte",
        oracle,
        f"{written.stat().st_size} bytes",
        again.read_bytes() != written.read_bytes(),
        0,
    )


def _trained(table, context, folder):
    oracle = f"{training.oracle_name()}, {_name('datasets')}"
    data = folder / "set.json"
    pairs = _pairs(64)
    data.write_text(
        json.dumps(
            {
                "queries": {str(i): query for i, (query, _) in enumerate(pairs)},
                "corpus": {str(i): text for i, (_, text) in enumerate(pairs)},
                "relevant_docs": {str(i): [str(i)] for i in range(len(pairs))},
            }
        ),
        "utf-8",
    )
    rows = _convert(context, data, folder / "rows.jsonl")
    settings = dataclasses.replace(Settings(), batch_size=16, max_steps=2, max_length=64)
    base = context.base or next(iter(context.shapes.values()))
    loaded = load_dataset(
        "json", data_files=str(rows), split="train", cache_dir=str(folder / "cache")
    )
    run = peer_training.train(base, loaded, settings)
    ours = context.attune.train(base, rows, settings)
    table.add(
        "loss per step: the trainer on our JSONL",
        oracle,
        f"{len(run.losses)} steps, {len(loaded)} rows",
        training.loss_difference(run.losses, ours.column("loss")),
        training.LOSS_TOLERANCE,
    )


def _read_by_us(table, context, folder):
    oracle = f"{_name('datasets')}, {_name('pandas')}"
    pairs = _pairs(300)
    wanted = [
        {"anchor": query, "positive": text, "score": i / 7} for i, (query, text) in enumerate(pairs)
    ]
    theirs = Dataset.from_list(wanted)
    theirs.to_json(str(folder / "theirs.jsonl"), double_precision=15)  # 10 digits by default
    theirs.to_csv(str(folder / "theirs.csv"))
    pandas.DataFrame(wanted).to_csv(folder / "pandas.tsv", sep="\t", index=False)
    theirs.to_parquet(str(folder / "theirs.parquet"))
    # Both ways of docs/formats.md, "Parquet".
    pandas.read_parquet(folder / "theirs.parquet").to_json(
        folder / "pandas.jsonl", orient="records", lines=True, double_precision=15
    )
    again = Dataset.from_parquet(
        str(folder / "theirs.parquet"), cache_dir=str(folder / "parquet cache")
    )
    again.to_json(str(folder / "parquet.jsonl"), double_precision=15)
    for name in ("theirs.jsonl", "theirs.csv", "pandas.tsv", "pandas.jsonl", "parquet.jsonl"):
        got = _lines(_convert(context, folder / name, folder / f"{name}.jsonl"))
        keys = ("anchor", "positive")
        wrong = _differences(
            [[row[key] for key in keys] for row in wanted],
            [[row[key] for key in keys] for row in got],
        )
        apart = max(abs(a["score"] - b["score"]) for a, b in zip(wanted, got))
        wrong += apart > 1e-12
        table.add(f"rows that they write: {name}", oracle, f"{len(wanted)} rows", wrong, 0)


def rows(table, context):
    folder = context.work / "datasets"
    folder.mkdir()
    for what, question in (
        ("LlamaIndex JSON", _llamaindex),
        ("the trainer on our JSONL", _trained),
        ("rows that they write", _read_by_us),
    ):
        table.guard(what, "-", question, context, folder)
