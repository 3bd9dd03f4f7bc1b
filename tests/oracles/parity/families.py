"""Every encoder family, beside transformers and sentence-transformers, on small random checkpoints.

CHECKPOINTS is the table: one line a checkpoint, one checkpoint for each variation of config.json
that the family's published models use. A line is

    Checkpoint(NAME, CONFIG_CLASS, {fields of config.json}, ...)

CONFIG_CLASS is the name of a transformers configuration ("RobertaConfig"), made with the fields and
with SMALL's where they do not say otherwise (`widths` names those that the class calls otherwise);
its AutoModel gets random weights. "StaticEmbedding" is sentence-transformers' module. Further
arguments, all optional:
    pooling, normalize, prompts, include_prompt, limit (tokens), dense (widths of Dense modules)
    stored ("float16", "bfloat16": what the file holds), shards (files the weights are split into),
    prefix (of the tensors' names), heads (tensors of a task's head beside them: name to shape)
    tokenizer ("wordpiece": made here; or a function that writes a tokenizer into a directory and
    gives its number of tokens)
    rate (of learning), floor (of relative gradients, as a part of the largest one), exempt (parts
    of names whose true gradient is 0: they drift with rounding in training)
Nothing else is to be done for a new family, here or in `matrix`, which takes the first checkpoint
of each (what stands before the first comma of its name).

Of each: hidden states and every parameter's gradient (build/release/encoder_probe), embeddings,
20 steps of training, the weights after them, and the artifact read back by Python.
"""

import dataclasses
import importlib.metadata
import json
import os
import pathlib
import re
import shutil
import subprocess
from collections.abc import Callable

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from tokenizers import Tokenizer
from transformers import AutoModel, BertTokenizerFast

from . import checkpoints, embeddings, generated_texts, peer_training, training
from .peer_training import Settings

ROOT = pathlib.Path(__file__).resolve().parents[3]
HIDDEN_TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 1e-4
LIMIT = 48
SMALL = {
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "max_position_embeddings": 130,
}


@dataclasses.dataclass
class Checkpoint:
    name: str
    config: str
    fields: dict = dataclasses.field(default_factory=dict)
    pooling: str = "mean"
    normalize: bool = True
    prompts: dict = dataclasses.field(default_factory=dict)
    include_prompt: bool = True
    limit: int = LIMIT
    dense: tuple = ()
    stored: str = "float32"
    shards: int = 1
    prefix: str = ""
    heads: dict = dataclasses.field(default_factory=dict)  # name -> shape
    tokenizer: str | Callable = "wordpiece"
    widths: dict = dataclasses.field(default_factory=dict)  # SMALL's name -> the class's; None: no
    rate: float = 5e-5  # of learning
    floor: float = 1e-3
    exempt: tuple = ("key.bias", "k_lin.bias", "k_proj.bias", "attn.k.bias")

    @property
    def is_static(self):
        return self.config == "StaticEmbedding"

    @property
    def family(self):
        return self.name.split(",")[0]


DISTILBERT = {
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
}
XLMR = {"type_vocab_size": 1, "pad_token_id": 1, "layer_norm_eps": 1e-5}
E5 = {"query": "query: ", "document": "passage: "}

CHECKPOINTS = [
    Checkpoint("bert", "BertConfig", pooling="cls"),
    Checkpoint("bert, gelu_new, pooler's prefix", "BertConfig", {"hidden_act": "gelu_new"},
               prefix="bert."),
    Checkpoint("distilbert", "DistilBertConfig", widths=DISTILBERT),
    Checkpoint("distilbert, sinusoidal, relu", "DistilBertConfig",
               {"sinusoidal_pos_embds": True, "activation": "relu"}, widths=DISTILBERT,
               pooling="cls"),
    Checkpoint("distilbert, of masked words", "DistilBertConfig", widths=DISTILBERT,
               prefix="distilbert.", heads={"vocab_layer_norm.weight": (48,)}),
    Checkpoint("roberta", "RobertaConfig", {"layer_norm_eps": 1e-5, "type_vocab_size": 1}),
    Checkpoint("xlm-roberta", "XLMRobertaConfig", XLMR, prompts=E5),
    Checkpoint("xlm-roberta, cls, sharded, fp16", "XLMRobertaConfig", XLMR, pooling="cls",
               stored="float16", shards=3),
    Checkpoint("xlm-roberta, prefix, bf16", "XLMRobertaConfig", XLMR, prefix="roberta.",
               stored="bfloat16"),
    Checkpoint("camembert", "CamembertConfig", XLMR, pooling="weightedmean"),
    Checkpoint("mpnet", "MPNetConfig", {"layer_norm_eps": 1e-5}),
    Checkpoint("static", "StaticEmbedding", limit=0, rate=1e-3, exempt=()),
    Checkpoint("static, not normalised", "StaticEmbedding", limit=0, rate=1e-3, normalize=False,
               exempt=(), prompts=E5),
    Checkpoint("mpnet, far", "MPNetConfig", {"layer_norm_eps": 1e-5}, limit=120, dense=(32,)),
]


def _oracle():
    return f"transformers {importlib.metadata.version('transformers')}"


def wordpiece(directory):
    vocabulary = checkpoints._vocabulary(cased=False)
    file = directory / "vocab.txt"
    file.write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    BertTokenizerFast(
        vocab=str(file), do_lower_case=True, model_max_length=LIMIT
    ).save_pretrained(directory)
    file.unlink()  # tokenizer.json says it all, whatever the family
    return len(vocabulary)


def _config(checkpoint, vocabulary):
    fields = {"vocab_size": vocabulary, "initializer_range": 0.1}
    for key, value in SMALL.items():
        name = checkpoint.widths.get(key, key)
        if name:
            fields[name] = value
    fields |= checkpoint.fields
    config = getattr(transformers, checkpoint.config)(**fields)
    for key in list(config.to_dict()):  # dropouts differ by name, and draw other numbers here
        if "dropout" in key and isinstance(getattr(config, key), float):
            setattr(config, key, 0.0)
    return config


def encoder(config, name):
    torch.manual_seed(sum(map(ord, name)))
    model = AutoModel.from_config(config, dtype=torch.float32)
    with torch.no_grad():  # biases start at 0 and norms at 1: a mistake there would not be seen
        for parameter_name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def _rewrite(directory, checkpoint):
    """Type, prefix, further heads and shards, as other people's files have them."""
    file = directory / "model.safetensors"
    stored = getattr(torch, checkpoint.stored)
    weights = {checkpoint.prefix + k: v.to(stored).contiguous() for k, v in load_file(file).items()}
    for name, shape in checkpoint.heads.items():
        weights[name] = torch.ones(shape, dtype=stored)
    if checkpoint.shards == 1:
        return save_file(weights, file, metadata={"format": "pt"})
    file.unlink()
    places, parts = {}, [{} for _ in range(checkpoint.shards)]
    for i, (name, value) in enumerate(sorted(weights.items())):
        parts[i % checkpoint.shards][name] = value
    for i, part in enumerate(parts):
        shard = f"model-{i + 1:05d}-of-{checkpoint.shards:05d}.safetensors"
        save_file(part, directory / shard, metadata={"format": "pt"})
        places |= dict.fromkeys(part, shard)
    index = {"metadata": {"total_size": 0}, "weight_map": places}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def _static(plain, vocabulary):
    torch.manual_seed(12)
    tokenizer = Tokenizer.from_file(str(plain / "tokenizer.json"))
    return [modules.StaticEmbedding(tokenizer, embedding_weights=torch.randn(vocabulary, 40))]


def _transformer(plain, checkpoint, vocabulary):
    encoder(_config(checkpoint, vocabulary), checkpoint.name).save_pretrained(plain)
    first = modules.Transformer(str(plain), max_seq_length=checkpoint.limit)
    pooling = modules.Pooling(
        first.get_embedding_dimension(), pooling_mode=checkpoint.pooling,
        include_prompt=checkpoint.include_prompt,
    )
    return [first, pooling]


def make(root, checkpoint):
    """The directory of the checkpoint under `root`, made anew by the peers."""
    directory = pathlib.Path(root) / re.sub(r"\W+", "_", checkpoint.name)
    plain = directory.with_name(directory.name + "_encoder")
    for old in (directory, plain):
        shutil.rmtree(old, ignore_errors=True)
    plain.mkdir(parents=True)
    tokenizer = wordpiece if checkpoint.tokenizer == "wordpiece" else checkpoint.tokenizer
    vocabulary = tokenizer(plain)
    parts = _static(plain, vocabulary) if checkpoint.is_static else _transformer(
        plain, checkpoint, vocabulary)
    width = parts[0].get_embedding_dimension()
    for out in checkpoint.dense:
        linear = modules.Dense(width, out, bias=False, activation_function=torch.nn.Identity())
        parts.append(linear)
        width = out
    if checkpoint.normalize:
        parts.append(modules.Normalize())
    model = SentenceTransformer(modules=parts, device="cpu", prompts=checkpoint.prompts or None)
    model.save(str(directory), create_model_card=False)
    shutil.rmtree(plain)
    _rewrite(directory, checkpoint)
    return directory


def _probe(context, model, question):
    program = pathlib.Path(
        os.environ.get("ATTUNE_ENCODER_PROBE", ROOT / "build/release/encoder_probe")
    )
    place = context.work / "encoder_probe"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    save_file(question, place / "question.safetensors")
    done = subprocess.run(
        [program, model, place / "question.safetensors", place / "answer"],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise ValueError(done.stderr.strip())
    return load_file(place / "answer" / "probe.safetensors")


def _sequences(peer, checkpoint):
    """Ids of texts of many lengths, of the longest that there may be, and padding tokens in one."""
    texts = [text for text in generated_texts.mixed_texts(31, 40) if text.strip()][::3]
    if checkpoint.is_static:
        encoded = peer.tokenizer.encode_batch(texts, add_special_tokens=False)
        return [row.ids for row in encoded if row.ids]
    ids = [
        peer.tokenizer(text, truncation=True, max_length=checkpoint.limit)["input_ids"]
        for text in texts
    ]
    padding = getattr(peer[0].auto_model.config, "pad_token_id", None)
    if padding is not None:
        ids.append([*ids[0][:2], padding, *ids[0][2:], padding])
    return [row for row in ids if row]


def _states(model, row):
    if isinstance(model, modules.StaticEmbedding):
        return model.embedding.weight[row]
    mask = torch.ones(1, len(row), dtype=torch.long)
    return model(input_ids=torch.tensor([row]), attention_mask=mask).last_hidden_state[0]


def _hidden(table, context, checkpoint, directory):
    peer = embeddings.peer_of(directory)
    model = peer[0] if checkpoint.is_static else peer[0].auto_model.eval()
    rows = _sequences(peer, checkpoint)
    torch.manual_seed(9)
    hidden, weights = [], []
    for row in rows:  # alone: no padding, and no mask
        hidden.append(_states(model, row))
        weights.append(torch.randn(hidden[-1].shape))
    sum((h * w).sum() for h, w in zip(hidden, weights)).backward()
    answer = _probe(context, directory, {
        "ids": torch.tensor([i for row in rows for i in row], dtype=torch.int32),
        "lengths": torch.tensor([len(row) for row in rows], dtype=torch.int32),
        "weights": torch.cat(weights),
    })
    expected = torch.cat(hidden).detach()
    table.add(
        f"hidden states: {checkpoint.name}", _oracle(), f"{len(expected)} tokens",
        embeddings.difference(expected.numpy(), answer.pop("hidden").numpy()), HIDDEN_TOLERANCE,
    )
    gradients = {k: p.grad for k, p in model.named_parameters() if p.grad is not None}
    answer = {k: v for k, v in answer.items() if "_Dense." not in k}
    if set(answer) != set(gradients):
        raise ValueError(f"gradients differ by name: {sorted(set(answer) ^ set(gradients))[:6]}")
    largest = max(float(g.abs().max()) for g in gradients.values())
    worst = (0.0, "")
    for name, gradient in gradients.items():
        size = max(float(gradient.abs().max()), checkpoint.floor * largest)
        worst = max(worst, (float((gradient - answer[name]).abs().max()) / size, name))
    table.add(
        f"gradients: {checkpoint.name}", _oracle(), f"{len(gradients)} tensors", worst[0],
        GRADIENT_TOLERANCE, f"of the largest of a tensor; worst: {worst[1]}",
    )


def _vectors(table, context, checkpoint, directory):
    texts = generated_texts.mixed_texts(33, 40)
    roles = ("text", "query") if checkpoint.prompts else ("text",)
    worst = 0.0
    for role in roles:
        expected = embeddings.expected(directory, texts, role)
        got = context.attune.embed(directory, texts, role)
        worst = max(worst, embeddings.difference(expected, got))
    table.add(
        f"embeddings: {checkpoint.name}", embeddings.oracle_name(),
        f"{len(texts)} texts x {'+'.join(roles)}", worst, embeddings.TOLERANCE,
    )


def _weights(run, artifact, exempt):
    got = load_file(artifact / "model.safetensors")
    worst = (0.0, "")
    expected = run.weights()
    missing = sorted(set(expected) - set(got))
    if missing:
        raise ValueError(f"the artifact lacks {missing[:6]}")
    for name, value in expected.items():
        if not any(part in name for part in exempt):
            worst = max(worst, (float((value - got[name].float()).abs().max()), name))
    return worst, len(expected)


def _training(table, context, checkpoint, directory):
    settings = Settings(
        batch_size=8, max_steps=20, epochs=4, learning_rate=checkpoint.rate, weight_decay=0.1,
        dropout=None, max_length=checkpoint.limit,
    )
    prompts = checkpoint.prompts
    settings = dataclasses.replace(
        settings, query_prompt=prompts.get("query", ""),
        document_prompt=prompts.get("document", ""),
    )
    rows = generated_texts.training_rows(75, 160, high=30)
    data, _ = generated_texts.write_rows(context.work, "families", rows)
    run = peer_training.train(directory, rows, settings)
    ours = context.attune.train(directory, data, settings)
    cases = f"{len(run.losses)} steps"
    table.add(
        f"loss per step: {checkpoint.name}", training.oracle_name(), cases,
        training.loss_difference(run.losses, ours.column("loss")), training.LOSS_TOLERANCE,
        f"loss {run.losses[0]:.3f} to {run.losses[-1]:.3f}; unit max(loss, 0.2)",
    )
    norms = zip(run.grad_norms, ours.column("grad_norm"), strict=True)
    table.add(
        f"gradient norm: {checkpoint.name}", training.oracle_name(), cases,
        max(abs(a - b) / max(a, 1e-3) for a, b in norms), training.NORM_TOLERANCE, "relative",
    )
    (worst, where), count = _weights(run, ours.artifact, checkpoint.exempt)
    table.add(
        f"weights after training: {checkpoint.name}", training.oracle_name(), f"{count} tensors",
        worst, training.WEIGHT_TOLERANCE, f"worst: {where}",
    )
    texts = generated_texts.mixed_texts(34, 30)
    got = context.attune.embed(ours.artifact, texts)
    moved = embeddings.difference(context.attune.embed(directory, texts), got)
    if moved < 1e-4:
        raise ValueError(f"training moved the vectors by {moved:.2g} alone: nothing is compared")
    table.add(
        f"artifact in Python: {checkpoint.name}", embeddings.oracle_name(), f"{len(texts)} texts",
        embeddings.difference(embeddings.expected(ours.artifact, texts), got),
        embeddings.TOLERANCE, f"training moved the vectors by {moved:.2g}",
    )


QUESTIONS = {"hidden states": _hidden, "embeddings": _vectors, "training": _training}


def rows(table, context):
    for checkpoint in CHECKPOINTS:
        directory = table.guard(
            f"made: {checkpoint.name}", _oracle(),
            lambda _, c=checkpoint: make(context.work / "families", c),
        )
        if not directory:
            continue
        for what, question in QUESTIONS.items():
            table.guard(
                f"{what}: {checkpoint.name}", _oracle(), question, context, checkpoint, directory
            )
