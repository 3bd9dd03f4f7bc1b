"""What is trained: parts of the encoder, rates by name, LoRA and Dense modules.

Step by step beside sentence-transformers' trainer, with PEFT for LoRA: what it freezes and adds is
done by its own means (requires_grad, learning_rate_mapping, add_adapter). LoRA begins on both sides
with the matrices that PEFT drew and saved. Then every directory that one side writes is embedded
with by the other.
"""

import dataclasses
import importlib.metadata
import shutil

import numpy as np
import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from transformers import AutoModel, AutoTokenizer

from . import checkpoints, embeddings, generated_texts, peer_training, training
from .peer_training import Settings


def peft_name():
    return f"peft {importlib.metadata.version('peft')}"


def _freeze(model, is_trained):
    for name, parameter in model[0].auto_model.named_parameters():
        parameter.requires_grad = is_trained(name)


def _largest(expected, got):
    """(worst difference, its name) between tensors of equal names; key biases are noise."""
    if set(expected) != set(got):
        raise ValueError(f"tensors differ by name: {sorted(set(expected) ^ set(got))[:6]}")
    worst = (0.0, "")
    for name, value in expected.items():
        if training.EXEMPT not in name:
            difference = np.abs(value.astype(np.float64) - got[name]).max()
            worst = max(worst, (float(difference), name))
    return worst


def _compare_steps(table, name, run, ours):
    cases = f"{len(run.losses)} steps"
    table.add(
        f"loss per step: {name}",
        training.oracle_name(),
        cases,
        training.loss_difference(run.losses, ours.column("loss")),
        training.LOSS_TOLERANCE,
        f"loss {run.losses[0]:.3f} to {run.losses[-1]:.3f}; unit max(loss, 0.2)",
    )
    norms = zip(run.grad_norms, ours.column("grad_norm"))
    table.add(
        f"gradient norm: {name}",
        training.oracle_name(),
        cases,
        max(abs(a - b) / max(a, 1e-3) for a, b in norms),
        training.NORM_TOLERANCE,
        "relative; of what is trained",
    )


def _compare_vectors(table, what, oracle, expected, got, note=""):
    worst = embeddings.difference(expected, got)
    table.add(what, oracle, f"{len(got)} texts", worst, embeddings.TOLERANCE, note)


def _texts():
    return [text for text in generated_texts.mixed_texts(73, 40) if text.strip()]


def _part(table, context, name, base, settings, is_trained, mapping, **section):
    """Parts of the encoder, or rates by name: the whole artifact is compared."""
    rows = generated_texts.training_rows(71, 240)
    data, _ = generated_texts.write_rows(context.work, "trained", rows)
    before = peer_training.load(base, settings)[0].auto_model.state_dict()
    run = peer_training.train(
        base, rows, settings, prepare=lambda model: _freeze(model, is_trained), rates=mapping
    )
    ours = context.attune.train(base, data, settings, **section)
    _compare_steps(table, name, run, ours)
    weights = run.weights()
    worst, where = training.weight_difference(weights, ours.artifact)
    moved = [key for key, value in weights.items() if not torch.equal(value, before[key])]
    if not all(is_trained(key) for key in moved):
        raise ValueError("the peer moved a weight that it was to leave")
    table.add(
        f"weights after training: {name}",
        training.oracle_name(),
        f"{len(weights)} tensors",
        worst,
        training.WEIGHT_TOLERANCE,
        f"{len(moved)} of them moved; worst: {where}",
    )
    stored = load_file(ours.artifact / "model.safetensors")
    changed = sum(
        not np.array_equal(before[key].numpy(), stored[key])
        for key in weights
        if not is_trained(key)
    )
    table.add(f"frozen weights: {name}", "the base", "bit for bit", changed, 0)


def _peft_vectors(base, directory, texts, limit):
    """PEFT alone on the base's transformer, mean pooling and normalised, by hand."""
    model = PeftModel.from_pretrained(AutoModel.from_pretrained(base), directory).eval()
    tokenizer = AutoTokenizer.from_pretrained(base)
    rows = []
    for text in texts:
        batch = tokenizer(text, truncation=True, max_length=limit, return_tensors="pt")
        with torch.no_grad():
            tokens = model(**batch).last_hidden_state[0]
        rows.append(torch.nn.functional.normalize(tokens.mean(0), dim=0).numpy())
    return np.array(rows)


def _lora(table, context, name, base, settings, targets):
    oracle = f"{training.oracle_name()}, {peft_name()}"
    start = context.work / f"lora_start_{name.replace(' ', '_')}"
    theirs = context.work / f"lora_theirs_{name.replace(' ', '_')}"

    def prepare(model):
        torch.manual_seed(5)
        config = LoraConfig(
            task_type=TaskType.FEATURE_EXTRACTION,
            r=4,
            lora_alpha=12,
            lora_dropout=0.0,
            target_modules=targets,
        )
        model.add_adapter(config)
        model.save_pretrained(str(start), create_model_card=False)

    rows = generated_texts.training_rows(72, 240)
    data, _ = generated_texts.write_rows(context.work, "lora", rows)
    run = peer_training.train(base, rows, settings, prepare=prepare)
    run.model.save_pretrained(str(theirs), create_model_card=False)
    section = {"lora": {"start": str(start), "save": "peft"}}
    ours = context.attune.train(base, data, settings, **section)
    _compare_steps(table, name, run, ours)
    expected = load_file(theirs / "adapter_model.safetensors")
    used = {key: value for key, value in expected.items() if "pooler" not in key}
    largest_b = max(np.abs(value).max() for key, value in used.items() if "lora_B" in key)
    worst, where = _largest(used, load_file(ours.artifact / "adapter_model.safetensors"))
    table.add(
        f"matrices after training: {name}",
        oracle,
        f"{len(used)} tensors",
        worst,
        training.WEIGHT_TOLERANCE,
        f"B began at 0, is now up to {largest_b:.1g}; worst: {where}",
    )

    texts = _texts()
    vectors = context.attune.embed(ours.artifact, texts)
    moved = embeddings.difference(context.attune.embed(base, texts), vectors)
    note = f"training moved the vectors by {moved:.2g}"
    if moved < 1e-3:
        raise ValueError(f"{note}: nothing would be compared")
    st = embeddings.oracle_name()
    ask = _compare_vectors
    expected = embeddings.expected(ours.artifact, texts, "text")
    ask(table, f"our PEFT directory in ST: {name}", st, expected, vectors, note)
    expected = _peft_vectors(base, ours.artifact, texts, settings.max_length)
    ask(table, f"our PEFT directory in peft: {name}", peft_name(), expected, vectors)
    got = context.attune.embed(theirs, texts)
    ask(
        table,
        f"ST's PEFT directory here: {name}",
        st,
        embeddings.expected(theirs, texts, "text"),
        got,
    )
    elsewhere = context.work / "base_elsewhere"
    shutil.copytree(base, elsewhere, dirs_exist_ok=True)
    got = context.attune.embed(ours.artifact, texts, base=elsewhere)
    ask(table, f"our PEFT directory with --base: {name}", "attune", vectors, got)

    section = {"lora": {"start": str(start), "save": "merged"}}
    merged = context.attune.train(base, data, settings, **section)
    got = context.attune.embed(merged.artifact, texts)
    ask(table, f"merged artifact and PEFT directory: {name}", "attune", vectors, got)
    expected = embeddings.expected(merged.artifact, texts, "text")
    ask(table, f"merged artifact in ST: {name}", st, expected, got)


def _plain_peft(table, context, base):
    """A directory that peft alone has saved: no modules, no tokenizer; those of the base count."""
    directory = context.work / "plain_peft"
    torch.manual_seed(6)
    targets = ["query", "key", "output.dense"]
    config = LoraConfig(r=8, lora_alpha=16, target_modules=targets, init_lora_weights=False)
    get_peft_model(AutoModel.from_pretrained(base), config).save_pretrained(directory)
    got = context.attune.embed(directory, _texts())
    expected = _peft_vectors(base, directory, _texts(), checkpoints.BASE_LIMIT)
    _compare_vectors(table, "peft's own directory here", peft_name(), expected, got)


def _with_dense(context, base):
    directory = context.work / "dense_base"
    torch.manual_seed(8)
    parts = list(SentenceTransformer(str(base), device="cpu"))
    width = parts[1].get_embedding_dimension()
    parts[2:2] = [
        modules.Dense(width, 48, activation_function=torch.nn.Tanh()),
        modules.Dense(48, 40, bias=False, activation_function=torch.nn.Identity()),
    ]
    SentenceTransformer(modules=parts, device="cpu").save(str(directory), create_model_card=False)
    return directory


def _dense(table, context, base, settings):
    base = _with_dense(context, base)
    texts = _texts()
    st = embeddings.oracle_name()
    expected = embeddings.expected(base, texts, "text")
    got = context.attune.embed(base, texts)
    _compare_vectors(table, "ST's Dense modules here", st, expected, got)

    rows = generated_texts.training_rows(74, 240)
    data, _ = generated_texts.write_rows(context.work, "dense", rows)
    run = peer_training.train(base, rows, settings)
    ours = context.attune.train(base, data, settings)
    _compare_steps(table, "Dense", run, ours)
    worst, where = training.weight_difference(run.weights(), ours.artifact)
    for index in (2, 3):
        expected = {key: value.numpy() for key, value in run.model[index].state_dict().items()}
        got = load_file(ours.artifact / f"{index}_Dense" / "model.safetensors")
        worst, where = max((worst, where), _largest(expected, got))
    table.add(
        "weights after training: Dense",
        training.oracle_name(),
        "encoder and two Dense modules",
        worst,
        training.WEIGHT_TOLERANCE,
        f"worst: {where}",
    )
    got = context.attune.embed(ours.artifact, texts)
    expected = embeddings.expected(ours.artifact, texts, "text")
    _compare_vectors(table, "our Dense modules in ST", st, expected, got)
    section = {"lora": {"rank": 4, "save": "peft"}}
    adapted = context.attune.train(base, data, settings, **section)
    got = context.attune.embed(adapted.artifact, texts)
    expected = embeddings.expected(adapted.artifact, texts, "text")
    _compare_vectors(table, "our PEFT directory with Dense modules in ST", st, expected, got)


def rows(table, context):
    oracle = training.oracle_name()
    bge, wide = context.shapes["bge"], context.shapes["wide"]
    settings = Settings(
        batch_size=8,
        max_steps=20 if context.quick else 60,
        epochs=4,
        learning_rate=5e-5,
        weight_decay=0.1,
        max_length=48,
    )
    # Clipping must see the norm of what is trained alone.
    clipped = dataclasses.replace(settings, max_grad_norm=1.0)

    def part(name, is_trained, mapping=None, **section):
        arguments = (context, name, bge, clipped, is_trained, mapping)
        table.guard(name, oracle, lambda t: _part(t, *arguments, **section))

    # The checkpoint's pooler is no part of what is trained, in neither program.
    part(
        "last layer",
        lambda name: name.startswith("encoder.layer.2."),
        last_layers=1,
    )
    part(
        "frozen embeddings",
        lambda name: name.startswith("encoder."),
        freeze_embeddings=True,
    )
    # The peer's last pattern that matches holds, ours is the first.
    rate = settings.learning_rate
    part(
        "rates by name",
        lambda name: not name.startswith("pooler."),
        {
            r"encoder\.layer\.[01]\.": rate * 0.25,
            r"embeddings\.word": rate * 3,
            r"self\.query": rate * 2,
            "LayerNorm": rate * 0.5,
        },
        rates=[
            "*LayerNorm*=0.5",
            "*self.query*=2",
            "embeddings.word*=3",
            "encoder.layer.[01].*=0.25",
        ],
    )
    faster = dataclasses.replace(settings, learning_rate=5e-4)
    for name, targets in (
        ("LoRA of query and value", ["query", "value"]),
        ("LoRA of all-linear", "all-linear"),
    ):
        table.guard(name, peft_name(), _lora, context, name, wide, faster, targets)
    table.guard("peft's own directory", peft_name(), _plain_peft, context, wide)
    table.guard("Dense", oracle, _dense, context, wide, settings)
