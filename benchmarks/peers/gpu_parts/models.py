"""The models of gpu.py, and what their work is in floating-point operations.

Checkpoints of published shapes are made on the spot by transformers, with random weights: speed
needs no trained ones. They are wider than BERT's 0.02 at the start, so that texts differ in their
vectors and a loss says something about what a program computed. Their tokenizer is the base
model's (WordPiece, 30,522 words), so ModernBERT's larger vocabulary is there but not spoken. The
tiny shapes let everything run on a processor.

Work of one token in a text of s tokens, forward: 2 N + A(s), without embedding tables and pooling.
BERT: N = L (4 d^2 + 2 d I), A = 4 s d L. ModernBERT (gated, one layer in three global, the others
see 64 tokens to each side): N = L (4 d^2 + 3 d I), A = 4 d (ceil(L/3) s + floor(2L/3) min(s, 129)).
A training step is three times that, whether or not layers or chunks are computed again. Source: two
operations a weight and token (Kaplan et al. 2020), and Q K^T and P V over all pairs of tokens.
"""

import dataclasses
import json
import pathlib
import shutil
import time

import torch
from parity import checkpoints

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
)


@dataclasses.dataclass(frozen=True)
class Shape:
    """Fields of a config.json; pooling and limit as sentence-transformers' directory has them."""

    name: str
    family: str  # bert, modernbert
    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    pooling: str = "mean"
    limit: int = 512
    normalize: bool = True

    @property
    def prompts(self):
        return {}


PUBLISHED = {
    shape.name: shape
    for shape in (
        Shape("bge-base", "bert", 768, 12, 12, 3072, 30522, pooling="cls"),
        Shape("bge-large", "bert", 1024, 24, 16, 4096, 30522, pooling="cls"),
        Shape("modernbert-base", "modernbert", 768, 22, 12, 1152, 50368, limit=8192),
    )
}
TINY = {
    name: dataclasses.replace(
        shape, hidden=32, layers=3, heads=2, intermediate=64, vocabulary=30522, limit=256
    )
    for name, shape in PUBLISHED.items()
}


def shape_of(directory):
    """Of a BERT that lies in a directory."""
    config = json.loads((pathlib.Path(directory) / "config.json").read_text(encoding="utf-8"))
    if config["model_type"] != "bert":
        raise ValueError(f"the base model is a {config['model_type']}, expected a bert")
    return Shape(
        "base",
        "bert",
        config["hidden_size"],
        config["num_hidden_layers"],
        config["num_attention_heads"],
        config["intermediate_size"],
        config["vocab_size"],
    )


def _encoder(shape):
    from transformers import BertConfig, BertModel, ModernBertConfig, ModernBertModel

    sizes = {
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.intermediate,
        "max_position_embeddings": shape.limit,
        "initializer_range": 1.4 / shape.hidden**0.5,
    }
    if shape.family == "bert":
        return BertModel(BertConfig(**sizes))
    special = {"pad_token_id": 0, "cls_token_id": 101, "bos_token_id": 101}
    special |= {"sep_token_id": 102, "eos_token_id": 102}
    return ModernBertModel(ModernBertConfig(**sizes, **special))


def make(root, shape, tokenizer_from):
    """Directory of a checkpoint under `root`, made unless it is there. Random weights, always the
    same ones.
    """
    directory = pathlib.Path(root) / shape.name
    if (directory / "modules.json").is_file():
        return directory
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    torch.manual_seed(1)
    _encoder(shape).save_pretrained(directory)
    for name in TOKENIZER_FILES:
        if (pathlib.Path(tokenizer_from) / name).is_file():
            shutil.copyfile(pathlib.Path(tokenizer_from) / name, directory / name)
    checkpoints.write_classic_layout(directory, shape)  # modules.json last: it tells it is whole
    return directory


def body_parameters(shape):
    gate = 3 if shape.family == "modernbert" else 2
    return shape.layers * (4 * shape.hidden**2 + gate * shape.hidden * shape.intermediate)


def forward_flops(shape, length):
    """Of one text."""
    layers, seen = shape.layers, shape.layers * length
    if shape.family == "modernbert":
        seen = -(-layers // 3) * length + 2 * layers // 3 * min(length, 129)
    return length * (2 * body_parameters(shape) + 4 * shape.hidden * seen)


def product_rate(device, size):
    """FLOP/s of a square bf16 product of random numbers: the mean of ten after three."""
    a, b = (torch.randn(size, size, device=device).to(torch.bfloat16) for _ in range(2))
    for _ in range(3):
        a @ b
    synchronize(device)
    began = time.perf_counter()
    for _ in range(10):
        a @ b
    synchronize(device)
    return 2 * size**3 * 10 / (time.perf_counter() - began)


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()
