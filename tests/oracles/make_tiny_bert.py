#!/usr/bin/env python3
"""Writes tests/fixtures/tiny_bert: a random BERT and what sentence-transformers computes with it.

    HF_HUB_OFFLINE=1 .venv/bin/python tests/oracles/make_tiny_bert.py

The model is a sentence-transformers directory in the classic layout (mean pooling, Normalize,
limit 32). golden.json holds texts, token ids, embeddings, and a training run (dropout 0) step by
step; weights_after.safetensors holds the weights after that run. Nothing in it is foreign text.
"""

import json
import os
import pathlib
import shutil
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel, BertTokenizerFast
from transformers.utils import logging

from parity.peer_training import Settings, load, set_threads, train, versions

SEED = 20240
MAX_LENGTH = 32
WORDS = """
the a of in and is to how what where ship boat river sea rope mast sail anchor wind storm north
south map star night light house tower harbour bridge water deep cold warm build mend sell buy
""".split()
ENDINGS = ["##ed", "##er", "##ing", "##ly"]
LETTERS = [chr(c) for c in range(ord("a"), ord("z") + 1)]
TEXTS = [
    "the ship",
    "How is a rope mended?",
    "a tower of light in the harbour, north of the bridge",
    "Storms; winds: cold WATER! (deep)",
    "zebra 42",
    "",
    "   ",
    "Où est la ré\u0301gate?",
    "海の船 and the sea",
    "un\u200bseen \t marks\nand lines",
    "the river is deep and the water is cold and the wind is in the north and the ship is in the "
    "harbour and the rope is to mend and the sail is to sell and the map is in the house",
    "\U0001f6a2 ship",
]
ROWS = [
    (
        "how is a rope mended",
        "a rope is mended in the house, in the night",
        "the tower is north of the sea",
    ),
    (
        "where is the light",
        "the light is in the tower of the harbour",
        "a cold wind is in the sail",
    ),
    ("what is the mast", "the mast of a ship is to build", "to buy a map of the river"),
    ("how deep is the river", "the river is deep in the south and cold", "the light house"),
    ("what is to sell", "a sail and an anchor: sell the boat", "storm and wind and night"),
    ("where is the anchor", "the anchor is in the deep water", "the star is a map"),
    (
        "how to build a bridge",
        "build the bridge in the south, where the river is warm",
        "sell a rope",
    ),
    ("is the sea cold", "the sea is cold in the north and warm in the south", "mend the mast"),
    ("what light is in the night", "the star is the light of the night", "a house of the south"),
    ("where to buy a map", "buy the map in the house of the harbour", "the anchor of a boat"),
    ("how is a storm", "the storm is cold and the wind is in the mast", "to sell the bridge"),
    ("what is warm", "the house", "the water of the north is deep"),
]
SETTINGS = Settings(
    epochs=2,
    batch_size=4,
    learning_rate=1e-3,
    warmup_ratio=0.2,
    weight_decay=0.01,
    max_grad_norm=1.0,
    max_length=MAX_LENGTH,
)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")


def make_model(directory):
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + list("0123456789.,:;?!()-'")
    vocabulary += (
        LETTERS + ["##" + letter for letter in LETTERS] + [w for w in WORDS if w != "a"] + ENDINGS
    )
    (directory / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    tokenizer = BertTokenizerFast(
        vocab=str(directory / "vocab.txt"), do_lower_case=True, model_max_length=64
    )
    tokenizer.save_pretrained(directory)
    torch.manual_seed(SEED)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.2,
    )
    model = BertModel(config)
    with (
        torch.no_grad()
    ):  # biases and norms start at 0 and 1: a test would not see them used wrongly
        for name, parameter in model.named_parameters():
            if name.endswith("bias") or "LayerNorm" in name:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(directory)
    write_json(
        directory / "modules.json",
        [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {
                "idx": 1,
                "name": "1",
                "path": "1_Pooling",
                "type": "sentence_transformers.models.Pooling",
            },
            {
                "idx": 2,
                "name": "2",
                "path": "2_Normalize",
                "type": "sentence_transformers.models.Normalize",
            },
        ],
    )
    write_json(
        directory / "sentence_bert_config.json",
        {"max_seq_length": MAX_LENGTH, "do_lower_case": False},
    )
    write_json(
        directory / "config_sentence_transformers.json",
        {
            "__version__": versions(),
            "prompts": {},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    )
    (directory / "1_Pooling").mkdir()
    write_json(
        directory / "1_Pooling" / "config.json",
        {
            "word_embedding_dimension": 32,
            "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": True,
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        },
    )


def main():
    logging.disable_progress_bar()
    set_threads(1)
    root = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "tiny_bert"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    make_model(root)
    model = load(root, SETTINGS)
    embeddings = model.encode(TEXTS, convert_to_numpy=True, show_progress_bar=False)
    ids = [
        model.tokenizer(text, truncation=True, max_length=MAX_LENGTH)["input_ids"] for text in TEXTS
    ]
    run = train(root, ROWS, SETTINGS)
    order = [[ROWS.index(row) for row in batch] for batch in run.batches]
    write_json(
        root / "golden.json",
        {
            "made_by": "tests/oracles/make_tiny_bert.py",
            "versions": versions(),
            "texts": TEXTS,
            "ids": ids,
            "embeddings": [[float(x) for x in row] for row in embeddings],
            "training": {
                "settings": {k: v for k, v in vars(SETTINGS).items()},
                "columns": ["query", "positive", "negative_1"],
                "rows": [list(row) for row in ROWS],
                "batches": order,
                "losses": run.losses,
                "grad_norms": run.grad_norms,
                "learning_rates": run.learning_rates,
                "tokens": run.tokens,
            },
        },
    )
    save_file(
        {k: v.contiguous() for k, v in run.weights().items()},
        root / "weights_after.safetensors",
        metadata={"format": "pt"},
    )
    size = sum(f.stat().st_size for f in root.rglob("*") if f.is_file())
    for name in ("model.safetensors", "weights_after.safetensors"):
        (root / name).chmod(0o644)
    print(f"{root.name}: {size} bytes; losses {[round(x, 6) for x in run.losses]}; {versions()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
