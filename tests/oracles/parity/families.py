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
    of names whose true gradient is 0: they drift with rounding in training), rounding (numbers whose
    gradient is so small a part of its tensor's largest one are mostly rounding errors, which AdamW
    takes for a direction: where the peer has such a gradient in a step, the number is left out of
    the weights that are compared, and the row says how many were)
    rewritten (fields of the saved config.json, None for those taken out: older spellings that
    transformers still reads), published (a whole config.json that transformers does not read, but
    the first authors' own code: attune alone is asked with it)
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
import tempfile
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
LEFT_OUT = 0.1  # of all numbers, at most (Checkpoint.rounding)
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
    rewritten: dict = dataclasses.field(default_factory=dict)  # of config.json; None: taken out
    published: dict = dataclasses.field(default_factory=dict)  # a config.json for attune alone
    rate: float = 5e-5  # of learning
    floor: float = 1e-3
    rounding: float = 0
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
ROTARY = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
MODERN = ROTARY | {"cls_token_id": 2, "sep_token_id": 3, "num_hidden_layers": 4,
                   "local_attention": 10}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 32}
QWEN = ROTARY | {"num_key_value_heads": 2, "head_dim": 16, "tie_word_embeddings": True}
GEMMA = ROTARY | {"num_key_value_heads": 1, "head_dim": 16, "num_hidden_layers": 3,
                  "sliding_window": 10, "query_pre_attn_scalar": 24,
                  "use_bidirectional_attention": True}
GEMMA_LAYERS = {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}
EURO = ROTARY | {"num_key_value_heads": 2, "mask_token_id": 4}
EURO_THETA = {"rope_parameters": {"rope_type": "default", "rope_theta": 250000.0}}
INSTRUCTION = {"query": "Instruct: Given a web search query, retrieve relevant passages that "
               "answer the query\nQuery:", "document": ""}
NOMIC = {"query": "search_query: ", "document": "search_document: "}
# As nomic-embed-text-v1.5 and gte-base-en-v1.5 are published.
NOMIC_PUBLISHED = {
    "model_type": "nomic_bert", "activation_function": "swiglu", "attn_pdrop": 0.0, "causal": False,
    "embd_pdrop": 0.0, "fused_bias_fc": True, "layer_norm_epsilon": 1e-12,
    "max_trained_positions": 2048, "mlp_fc1_bias": False, "mlp_fc2_bias": False, "n_embd": 48,
    "n_head": 4, "n_inner": 96, "n_layer": 2, "n_positions": 130, "parallel_block": False,
    "prenorm": False, "qkv_proj_bias": False, "resid_pdrop": 0.0, "rotary_emb_base": 1000,
    "rotary_emb_fraction": 1.0, "rotary_emb_interleaved": False, "rotary_emb_scale_base": None,
    "rotary_scaling_factor": None, "scale_attn_by_inverse_layer_idx": False,
    "scale_attn_weights": True, "type_vocab_size": 2, "use_rms_norm": False,
}
GTE_PUBLISHED = {
    "model_type": "new", "attention_probs_dropout_prob": 0.0, "hidden_act": "gelu",
    "hidden_dropout_prob": 0.0, "hidden_size": 48, "intermediate_size": 96, "layer_norm_eps": 1e-12,
    "layer_norm_type": "layer_norm", "logn_attention_clip1": False, "logn_attention_scale": False,
    "max_position_embeddings": 130, "num_attention_heads": 4, "num_hidden_layers": 2,
    "pack_qkv": True, "pad_token_id": 0, "position_embedding_type": "rope",
    "rope_scaling": {"factor": 2.0, "type": "ntk"}, "rope_theta": 500000, "type_vocab_size": 0,
    "unpad_inputs": False, "use_memory_efficient_attention": False,
}
# The kind "ntk", base * factor and frequencies / factor^(2 / head_dim), in transformers' words.
GTE_NTK = {"rope_parameters": {"rope_type": "linear", "factor": 2.0 ** (2 / 12),
                               "rope_theta": 1000000.0}}

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
    Checkpoint("modernbert", "ModernBertConfig", MODERN, pooling="cls"),
    Checkpoint("modernbert, older spelling, of masked words", "ModernBertConfig",
               MODERN | {"layer_types": ["full_attention", "sliding_attention"] * 2,
                         "rope_parameters": {"full_attention": {"rope_theta": 50000.0},
                                             "sliding_attention": {"rope_theta": 9000.0}}},
               prefix="model.", heads={"head.dense.weight": (48, 48)}, prompts=NOMIC,
               rewritten={"layer_types": None, "rope_parameters": None,
                          "global_attn_every_n_layers": 2, "global_rope_theta": 50000.0,
                          "local_rope_theta": 9000.0}),
    Checkpoint("modernbert, biases", "ModernBertConfig",
               MODERN | {"attention_bias": True, "mlp_bias": True,
                         "hidden_activation": "gelu_pytorch_tanh"}, exempt=("Wqkv.bias",)),
    Checkpoint("nomic_bert", "NomicBertConfig", prompts=NOMIC, published=NOMIC_PUBLISHED),
    Checkpoint("gte", "GteConfig", ROTARY | {"type_vocab_size": 1}, pooling="cls",
               exempt=("qkv_proj.bias",)),
    Checkpoint("gte, no token types, ntk", "GteConfig",
               ROTARY | {"type_vocab_size": 0} | GTE_NTK, pooling="cls", prefix="new.",
               exempt=("qkv_proj.bias",), published=GTE_PUBLISHED),
    Checkpoint("qwen3", "Qwen3Config", QWEN, pooling="lasttoken", prompts=INSTRUCTION),
    Checkpoint("qwen3, older spelling, language model, bf16", "Qwen3Config",
               QWEN | {"rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}},
               pooling="lasttoken", prefix="model.", stored="bfloat16",
               rewritten={"rope_parameters": None, "rope_theta": 1000000, "rope_scaling": None}),
    Checkpoint("qwen3, window, biases", "Qwen3Config",
               QWEN | {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 1,
                       "attention_bias": True}, pooling="lasttoken"),
    Checkpoint("gemma3_text", "Gemma3TextConfig", GEMMA | GEMMA_LAYERS, dense=(96, 48),
               prompts={"query": "task: search result | query: ",
                        "document": "title: none | text: "}),
    Checkpoint("gemma3_text, older spelling", "Gemma3TextConfig",
               GEMMA | {"rope_parameters": {"full_attention": {"rope_theta": 1000000.0},
                                            "sliding_attention": {"rope_theta": 9000.0}},
                        "layer_types": ["sliding_attention"] * 2 + ["full_attention"]},
               rewritten={"layer_types": None, "rope_parameters": None, "sliding_window_pattern": 3,
                          "rope_theta": 1000000.0, "rope_local_base_freq": 9000.0,
                          "rope_scaling": None, "_sliding_window_pattern": None}),
    Checkpoint("gemma3_text, causal", "Gemma3TextConfig",
               GEMMA | GEMMA_LAYERS | {"use_bidirectional_attention": False},
               pooling="lasttoken"),
    Checkpoint("eurobert", "EuroBertConfig", EURO | EURO_THETA),
    Checkpoint("eurobert, llama3's angles, biases", "EuroBertConfig",
               EURO | {"attention_bias": True, "mlp_bias": True,
                       "rope_parameters": LLAMA3 | {"rope_theta": 250000.0}},
               pooling="lasttoken"),
    Checkpoint("eurobert, linear angles, older spelling", "EuroBertConfig",
               EURO | {"rope_parameters": {"rope_type": "linear", "factor": 4.0,
                                           "rope_theta": 10000.0}},
               rewritten={"rope_parameters": None, "rope_theta": 10000.0,
                          "rope_scaling": {"type": "linear", "factor": 4.0}},
               rounding=1e-5),
    Checkpoint("mpnet", "MPNetConfig", {"layer_norm_eps": 1e-5}),
    Checkpoint("static", "StaticEmbedding", limit=0, rate=1e-4, rounding=5e-5, exempt=()),
    Checkpoint("static, not normalised", "StaticEmbedding", limit=0, rate=1e-4, rounding=1e-5,
               normalize=False, exempt=(), prompts=E5),
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
    if checkpoint.rewritten:
        file = directory / "config.json"
        config = json.loads(file.read_text("utf-8")) | checkpoint.rewritten
        config = {key: value for key, value in config.items()
                  if value is not None or key not in checkpoint.rewritten}
        file.write_text(json.dumps(config), encoding="utf-8")
    return directory


def _as_filed(model, tensors):
    """Tensors by the names of the model's parameters, as its files would hold them: some classes
    split or rename what they load, and put it together again when they save. Parameters that are
    not among them (a pooler that nobody reads) are called alike in files.
    """
    if not isinstance(model, transformers.PreTrainedModel):
        return tensors
    copy, others = type(model)(model.config), set()
    with tempfile.TemporaryDirectory() as scratch, torch.no_grad():
        for name, parameter in copy.named_parameters():
            if name in tensors:
                parameter.copy_(tensors[name])
            else:
                others.add(name)
        copy.save_pretrained(scratch)
        filed = load_file(pathlib.Path(scratch) / "model.safetensors")
    return {name: value for name, value in filed.items() if name not in others}


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
    gradients = _as_filed(model, {
        k: p.grad for k, p in model.named_parameters() if p.grad is not None
    })
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
    if not checkpoint.published:
        return
    published = directory.with_name(directory.name + "_published")
    shutil.copytree(directory, published, dirs_exist_ok=True)
    config = json.loads((directory / "config.json").read_text("utf-8"))
    config = checkpoint.published | {"vocab_size": config["vocab_size"]}
    (published / "config.json").write_text(json.dumps(config), encoding="utf-8")
    table.add(
        f"embeddings by its authors' config.json: {checkpoint.name}", embeddings.oracle_name(),
        f"{len(texts)} texts",
        embeddings.difference(
            embeddings.expected(directory, texts), context.attune.embed(published, texts)
        ), embeddings.TOLERANCE,
    )


class _Rounding:
    """Which numbers had, in any step, a gradient of mostly rounding errors (Checkpoint.rounding)."""

    def __init__(self, part):
        self.part, self.masks = part, {}

    def look(self, model):
        for name, parameter in getattr(model[0], "auto_model", model[0]).named_parameters():
            if parameter.grad is None:
                continue
            size = parameter.grad.abs()
            small = (size > 0) & (size < self.part * size.max())
            self.masks[name] = self.masks.get(name, False) | small

    def as_filed(self, model):
        """By the names of files: True where the number is to be left out."""
        masks = {name: mask.float() for name, mask in self.masks.items()}
        return {name: mask > 0 for name, mask in _as_filed(model, masks).items()}


def _weights(run, artifact, exempt, rounding):
    """((worst difference, its name), tensors, numbers left out, numbers)"""
    got = load_file(artifact / "model.safetensors")
    model = getattr(run.model[0], "auto_model", run.model[0])
    expected = _as_filed(model, run.weights())
    missing = sorted(set(expected) - set(got))
    if missing:
        raise ValueError(f"the artifact lacks {missing[:6]}")
    masks = rounding.as_filed(model)
    worst, out, numbers = (0.0, ""), 0, 0
    for name, value in expected.items():
        if any(part in name for part in exempt):
            continue
        far = (value - got[name].float()).abs()
        mask = masks.get(name, torch.zeros_like(far, dtype=torch.bool))
        out, numbers = out + int(mask.sum()), numbers + mask.numel()
        worst = max(worst, (float(far.masked_fill(mask, 0).max()), name))
    if out > LEFT_OUT * numbers:
        raise ValueError(f"{out} of {numbers} weights have gradients of rounding errors")
    return worst, len(expected), out, numbers


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
    rounding = _Rounding(checkpoint.rounding)
    run = peer_training.train(directory, rows, settings, look=rounding.look)
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
    (worst, where), count, out, numbers = _weights(
        run, ours.artifact, checkpoint.exempt, rounding)
    left = f"; left out: {out} of {numbers} numbers, gradient in a step below " \
        f"{checkpoint.rounding:g} of its tensor's" if checkpoint.rounding else ""
    table.add(
        f"weights after training: {checkpoint.name}", training.oracle_name(), f"{count} tensors",
        worst, training.WEIGHT_TOLERANCE, f"worst: {where}{left}",
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
