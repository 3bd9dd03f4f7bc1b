"""Adapters behind a frozen model: the peer's training loop step by step, and both programs' files.

The adapter classes and AdapterEmbeddingModel are those of llama-index-embeddings-adapter, the
training loop is adapter_loop's. Vectors of the base come from `attune embed`, so that only the
adapter's training is compared.
"""

import importlib.metadata
import pathlib
import zipfile

import numpy as np
import torch
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.embeddings.adapter import AdapterEmbeddingModel
from llama_index.embeddings.adapter.utils import LinearLayer, TwoLayerNN
from safetensors.torch import load_file

from . import generated_texts
from .adapter_loop import peer_loop
from .peer_training import Settings

LOSS_TOLERANCE = 1e-5
WEIGHT_TOLERANCE = 1e-5
VECTOR_TOLERANCE = 1e-5


def oracle_name():
    version = importlib.metadata.version("llama-index-embeddings-adapter")
    return f"llama-index-embeddings-adapter {version}"


class _Base(BaseEmbedding):
    """A LlamaIndex model whose vectors are looked up."""

    vectors: dict

    def _get_query_embedding(self, query):
        return self.vectors["query"][query]

    def _get_text_embedding(self, text):
        return self.vectors["text"][text]

    async def _aget_query_embedding(self, query):
        return self._get_query_embedding(query)


def _adapter(kind, width):
    torch.manual_seed(7)
    if kind == "linear":
        return LinearLayer(width, width, bias=False)
    if kind == "linear with bias":
        return LinearLayer(width, width, bias=True)
    activation = kind.split(", ")[1]
    return TwoLayerNN(width, 24, width, activation_fn_str=activation, add_residual=True)


def _question(table, context, kind, base):
    attune = context.attune
    rows = generated_texts.training_rows(81, 60)
    data, _ = generated_texts.write_rows(context.work, "adapter_" + kind.replace(" ", "_"), rows)
    queries = attune.embed(base, [row[0] for row in rows], role="query")
    passages = attune.embed(base, [row[1] for row in rows])
    peer = _adapter(kind, queries.shape[1])
    start = context.work / "adapters" / (kind.replace(", ", "_").replace(" ", "_") + "_start")
    start.mkdir(parents=True)
    peer.save(str(start))

    # 1. Theirs, as it was saved, loads here.
    texts = [row[0] for row in rows[:20]]
    given = attune.embed(start, texts, role="query", base=base)
    with torch.no_grad():
        expected = peer(torch.from_numpy(queries[:20])).numpy()
    worst = float(np.abs(given - expected).max())
    table.add(f"their {kind} adapter loaded", oracle_name(), "20 texts", worst, VECTOR_TOLERANCE)
    _other_device(start)
    again = attune.embed(start, texts, role="query", base=base)
    worst = float(np.abs(again - expected).max())
    table.add(
        f"their {kind} adapter, saved on CUDA, loaded", oracle_name(), "20 texts", worst,
        VECTOR_TOLERANCE,
    )

    # 2. The loop, step by step. A rate at which the adapter moves.
    settings = Settings(
        batch_size=7, epochs=3, learning_rate=1e-3, max_length=0, warmup_ratio=0.1,
        weight_decay=0.01,
    )
    losses = peer_loop(peer, torch.from_numpy(queries), torch.from_numpy(passages), settings)
    run = attune.train(
        base, data, settings, adapter={"start": str(start)}, mode="adapter", parity="llamaindex"
    )
    got = run.column("loss")
    if len(got) != len(losses):
        raise ValueError(f"{len(losses)} steps expected, {len(got)} taken")
    worst = max(abs(a - b) / max(a, 0.2) for a, b in zip(losses, got))
    table.add(
        f"adapter's loss per step: {kind}", "llama-index-finetuning 0.4.2, written out",
        f"{len(losses)} steps, batch {settings.batch_size}", worst, LOSS_TOLERANCE,
        f"loss {losses[0]:.3f} to {losses[-1]:.3f}; unit max(loss, 0.2)",
    )
    ours = load_file(run.artifact / "model.safetensors")
    expected = peer.state_dict().items()
    worst = max(float((ours[name] - value).abs().max()) for name, value in expected)
    table.add(
        f"adapter's weights: {kind}", "llama-index-finetuning 0.4.2, written out",
        f"{len(ours)} tensors", worst, WEIGHT_TOLERANCE,
    )

    # 3. Ours loads there.
    vectors = {
        "query": dict(zip((row[0] for row in rows), queries.tolist())),
        "text": dict(zip((row[1] for row in rows), passages.tolist())),
    }
    classes = {"linear": LinearLayer, "two layers": TwoLayerNN}
    theirs = AdapterEmbeddingModel(
        _Base(vectors=vectors), str(run.artifact), classes.get(kind.split(",")[0], LinearLayer)
    )
    expected = attune.embed(run.artifact, texts, role="query")
    loaded = np.array([theirs.get_query_embedding(text) for text in texts], dtype=np.float32)
    worst = float(np.abs(loaded - expected).max())
    table.add(
        f"our {kind} adapter loaded there", oracle_name(), "20 texts", worst, VECTOR_TOLERANCE
    )
    passage = rows[0][1]
    same = np.abs(
        np.array(theirs.get_text_embedding(passage)) - attune.embed(run.artifact, [passage])[0]
    )
    table.add(f"documents behind {kind}", oracle_name(), "1 text", float(same.max()), 0)


def _other_device(directory):
    """Rewrites the saved pickle as if its tensors had lain on a GPU."""
    path = pathlib.Path(directory) / "pytorch_model.bin"
    with zipfile.ZipFile(path) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    changed = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for info, content in members:
            if info.filename.endswith("/data.pkl"):
                device, other = b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"
                changed = content.count(device)
                content = content.replace(device, other)
            archive.writestr(info.filename, content)
    if not changed:
        raise ValueError(f"{path}: no device is named in its pickle")


def _low_rank(table, context, base):
    """Merged when it is saved: a linear adapter to them."""
    rows = generated_texts.training_rows(82, 40)
    data, _ = generated_texts.write_rows(context.work, "adapter_low_rank", rows)
    settings = Settings(batch_size=8, epochs=2, learning_rate=1e-2, max_length=0)
    run = context.attune.train(
        base, data, settings, adapter={"type": "low_rank", "rank": 4}, mode="adapter",
        loss={"type": "corpus", "scale": 20},
    )
    layer = LinearLayer.load(str(run.artifact))
    texts = [row[0] for row in rows]
    with torch.no_grad():
        expected = layer(torch.from_numpy(context.attune.embed(base, texts, role="query"))).numpy()
    got = context.attune.embed(run.artifact, texts, role="query")
    rank = int(torch.linalg.matrix_rank(layer.linear.weight.detach() - torch.eye(len(expected[0])),
                                        atol=1e-5))
    table.add(
        "our low-rank adapter loaded there", oracle_name(), f"{len(texts)} texts",
        float(np.abs(got - expected).max()), VECTOR_TOLERANCE, f"rank {rank} beside the identity",
    )
    table.add("rank of the low-rank adapter", "torch.linalg.matrix_rank", "1 matrix",
              abs(rank - 4), 0)


def _principal_directions(vectors, count):
    _, columns = torch.linalg.eigh(vectors.T @ vectors)
    rows = columns.flip(1).T[:count]
    return rows * rows.gather(1, rows.abs().argmax(1, keepdim=True)).sign()


def _both_sides(table, context, base, loss, numbers, chunk):
    """Documents turned too: torch's autograd over all of them, in fp64, every row in each step."""
    steps, scale, rate = 10, 20, 1e-2
    rows = generated_texts.training_rows(83, 30)
    data, _ = generated_texts.write_rows(context.work, "adapter_both", rows)
    texts = list(dict.fromkeys(row[1] for row in rows))  # two queries have one passage
    of_row = torch.tensor([texts.index(row[1]) for row in rows])
    queries, corpus = (
        torch.from_numpy(context.attune.embed(base, some, role=role)).double()
        for some, role in (([row[0] for row in rows], "query"), (texts, "text"))
    )
    passages, right = (corpus, of_row) if loss == "corpus" else (
        corpus[of_row], torch.arange(len(rows)))
    width = queries.shape[1]
    start = _principal_directions(corpus, numbers) if numbers < width else torch.eye(width)
    weight = start.double().clone().requires_grad_(True)
    optimizer = torch.optim.AdamW([weight], lr=rate, weight_decay=0)
    losses = []
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * (steps - step) / steps
        unit_q, unit_d = (
            torch.nn.functional.normalize(x @ weight.T, dim=1) for x in (queries, passages)
        )
        value = torch.nn.functional.cross_entropy(unit_q @ unit_d.T * scale, right)
        losses.append(float(value.detach()))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    settings = Settings(
        batch_size=len(rows), epochs=steps, learning_rate=rate, max_length=0, warmup_ratio=0,
        weight_decay=0, max_grad_norm=0,
    )
    run = context.attune.train(
        base, data, settings, adapter={"sides": "both", "out_features": numbers}, mode="adapter",
        chunk_tokens=chunk, loss={"type": loss, "scale": scale},
    )
    what = f"both sides, {width} to {numbers}, {loss}" + (f", chunks of {chunk}" if chunk else "")
    worst = max(abs(a - b) for a, b in zip(losses, run.column("loss"), strict=True))
    table.add(
        f"adapter's loss per step: {what}", f"torch {torch.__version__}, fp64", f"{steps} steps",
        worst, LOSS_TOLERANCE, f"loss {losses[0]:.3f} to {losses[-1]:.3f}",
    )
    ours = load_file(run.artifact / "model.safetensors")["linear.weight"]
    table.add(
        f"adapter's weights: {what}", f"torch {torch.__version__}, fp64", "1 matrix",
        float((ours - weight.detach()).abs().max()), WEIGHT_TOLERANCE,
    )


class _Payload:
    """What a hostile pickle would run."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (pathlib.Path.touch, (self.target,))


def _hostile(table, context, base):
    from .program import AttuneFailed

    directory = context.work / "adapters" / "hostile"
    directory.mkdir(parents=True)
    ran = directory / "ran"
    (directory / "config.json").write_text('{"in_features": 32, "out_features": 32, "bias": false}')
    torch.save({"linear.weight": _Payload(ran)}, directory / "pytorch_model.bin")
    try:
        context.attune.embed(directory, ["a"], role="query", base=base)
        loaded = True
    except AttuneFailed:
        loaded = False
    table.add("a pickle that runs code is refused", "a crafted file", "1 file",
              int(loaded or ran.exists()), 0)


def rows(table, context):
    base = context.shapes["max"]
    for kind in ("linear", "linear with bias", "two layers, relu", "two layers, tanh",
                 "two layers, sigmoid", "two layers, leaky_relu"):
        table.guard(f"adapter: {kind}", oracle_name(), _question, context, kind, base)
    for loss in ("corpus", "mnrl"):
        for numbers, chunk in ((64, 0), (16, 0), (16, 7)):
            table.guard(f"adapter: both sides, {numbers}, {loss}", "torch", _both_sides, context, base,
                        loss, numbers, chunk)
    table.guard("adapter: low rank", oracle_name(), _low_rank, context, base)
    table.guard("adapter: hostile pickle", "a crafted file", _hostile, context, base)
