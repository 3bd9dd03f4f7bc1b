"""Writes tests/fixtures/qa_dataset/python.json as LlamaIndex's save_json does: json.dump(indent=4).

The same data also goes through its EmbeddingQAFinetuneDataset (llama-index-finetuning 0.4.2) and must give
the same bytes. Run with the peers' Python:
    .venv/bin/python tests/oracles/make_qa_dataset_fixture.py
"""
import json
import pathlib

from parity.datasets import dataset_class

OUT = pathlib.Path(__file__).parent.parent / "fixtures" / "qa_dataset" / "python.json"
DATA = {
    "queries": {"q2": "second, first in order", "q1": "quote \" slash / back \\ tab \t bell \x07 del \x7f",
                "q3": "Grüße, 日本 and 😀 \u2028"},
    "corpus": {"b": "line one\nline two\r\n", "a": "", "<&>": "plain"},
    "relevant_docs": {"q2": ["b", "a"], "q1": [], "q3": ["<&>"]},
    "mode": "text",
}


def main():
    OUT.parent.mkdir(parents=True, exist_ok=True)
    with open(OUT, "w") as file:
        json.dump(DATA, file, indent=4)
    again = OUT.with_suffix(".llamaindex")
    dataset_class()(**DATA).save_json(str(again))
    assert again.read_bytes() == OUT.read_bytes()
    again.unlink()
    print("equal to EmbeddingQAFinetuneDataset.save_json")


main()
