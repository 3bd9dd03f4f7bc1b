"""The loss table: each loss on the same vectors as sentence-transformers', in training, and cached.

Of each loss:
  value, gradient  the same random vectors, labels and settings through the peer's loss (a stand-in
                   model hands it the vectors) and through build/release/loss_probe;
  differences      our gradient against central differences of our value, both in fp64;
  per step         the peer's trainer and `attune train` on the same rows, dropout 0;
  cached           `attune train` with chunk_tokens against without, dropout 0.1.
InfoNCE with several positives is not in sentence-transformers: its definition is written out.
"""

import dataclasses
import importlib.metadata
import itertools
import json
import os
import pathlib
import subprocess

import torch
from sentence_transformers import SentenceTransformer, util
from sentence_transformers.sentence_transformer import losses as peers
from sentence_transformers.sentence_transformer.losses.triplet import TripletDistanceMetric

from . import generated_texts, peer_training
from .peer_training import Settings
from .training import LOSS_TOLERANCE, NORM_TOLERANCE, loss_difference

ROOT = pathlib.Path(__file__).resolve().parents[3]
WIDTH, GUIDE_WIDTH, ROWS = 24, 16, 12
VALUE_TOLERANCE = 1e-5  # of max(1, value): fp32 sums in another order
GRADIENT_TOLERANCE = 1e-5  # of the largest entry, or 1
DIFFERENCE_TOLERANCE = 1e-6
CACHED_TOLERANCE = 1e-6


@dataclasses.dataclass
class Case:
    name: str
    settings: dict  # train.loss
    columns: int
    peer: object  # (model, guide) -> loss
    labels: int = 0
    trained: bool = True  # also step by step


def _mnrl(**settings):
    return lambda model, guide: peers.MultipleNegativesRankingLoss(model, **settings)


def _gist(**settings):
    return lambda model, guide: peers.GISTEmbedLoss(model, guide, **settings)


EVERY_DIRECTION = ("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc")


def _directions(*names):
    return {"type": "mnrl", "directions": list(names)}


def _hard(mode, strength):
    return Case(
        f"MNRL, hardness {mode}",
        {"type": "mnrl", "hardness": mode, "hardness_strength": strength},
        4, _mnrl(hardness_mode=mode, hardness_strength=strength),
    )


CASES = [
    Case("MNRL", {"type": "mnrl"}, 3, _mnrl()),
    Case("MNRL, dot", {"type": "mnrl", "similarity": "dot", "scale": 1}, 3,
         _mnrl(scale=1, similarity_fct=util.dot_score), trained=False),
    Case("MNRL, symmetric",
         _directions("query_to_doc", "doc_to_query") | {"partition": "per_direction"}, 2,
         _mnrl(directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction")),
    Case("MNRL, doc to query, joint", _directions("query_to_doc", "doc_to_query"), 3,
         _mnrl(directions=("query_to_doc", "doc_to_query")), trained=False),
    Case("MNRL, query to query", _directions("query_to_doc", "query_to_query"), 3,
         _mnrl(directions=("query_to_doc", "query_to_query")), trained=False),
    Case("MNRL, doc to doc", _directions("query_to_doc", "doc_to_doc"), 4,
         _mnrl(directions=("query_to_doc", "doc_to_doc")), trained=False),
    Case("MNRL, every direction", _directions(*EVERY_DIRECTION), 3,
         _mnrl(directions=EVERY_DIRECTION)),
    _hard("in_batch_negatives", 9),
    _hard("hard_negatives", 5),
    _hard("all_negatives", 2),
    Case("GIST", {"type": "gist"}, 2, _gist()),
    Case("GIST, negative, relative margin",
         {"type": "gist", "margin": 0.1, "margin_strategy": "relative"}, 3,
         _gist(margin=0.1, margin_strategy="relative")),
    Case("GIST, queries with passages alone",
         {"type": "gist", "scale": 20, "margin": 0.05, "contrast_anchors": False,
          "contrast_positives": False}, 3,
         _gist(temperature=0.05, margin=0.05, contrast_anchors=False, contrast_positives=False),
         trained=False),
    Case("CoSENT", {"type": "cosent"}, 2, lambda model, guide: peers.CoSENTLoss(model), 1),
    Case("triplet", {"type": "triplet"}, 3, lambda model, guide: peers.TripletLoss(model)),
    Case("triplet, cosine", {"type": "triplet", "similarity": "cosine", "triplet_margin": 0.3}, 3,
         lambda model, guide: peers.TripletLoss(model, TripletDistanceMetric.COSINE, 0.3)),
    Case("triplet, Manhattan", {"type": "triplet", "similarity": "manhattan"}, 3,
         lambda model, guide: peers.TripletLoss(model, TripletDistanceMetric.MANHATTAN),
         trained=False),
    Case("cosine similarity", {"type": "cosine_similarity"}, 2,
         lambda model, guide: peers.CosineSimilarityLoss(model), 1),
    Case("MarginMSE, gaps", {"type": "margin_mse"}, 4,
         lambda model, guide: peers.MarginMSELoss(model), 2),
    Case("MarginMSE, scores", {"type": "margin_mse"}, 4,
         lambda model, guide: peers.MarginMSELoss(model), 3),
    Case("KL divergence", {"type": "kl_divergence"}, 4,
         lambda model, guide: peers.DistillKLDivLoss(model), 3),
    Case("KL divergence, temperature 2", {"type": "kl_divergence", "scale": 0.5}, 3,
         lambda model, guide: peers.DistillKLDivLoss(model, temperature=2.0), 2, trained=False),
]


def _matryoshka(case):
    """The same loss, with vectors also cut to a third, which weighs half."""

    def make(model, guide):
        width = model.get_embedding_dimension()
        return peers.MatryoshkaLoss(model, case.peer(model, guide), [width, _short(width)],
                                    [1, 0.5])

    return dataclasses.replace(case, name=f"Matryoshka over {case.name}", peer=make)


def _short(width):
    return width // 3


def _with_matryoshka(settings, width):
    return settings | {"matryoshka": {"dims": [width, _short(width)], "weights": [1, 0.5]}}


class _Fixed(torch.nn.Module):
    """A model whose vectors are given: what a peer's loss embeds is a row of a table."""

    def __init__(self, vectors):
        super().__init__()
        self.vectors = vectors

    def forward(self, features):
        return {"sentence_embedding": self.vectors[features["row"]]}

    def get_embedding_dimension(self):
        return self.vectors.shape[1]


def _peer_value(case, vectors, guide, labels, tokenizer):
    leaf = vectors.clone().requires_grad_(True)
    model, other = _Fixed(leaf), _Fixed(guide)
    for one in (model, other):
        one.tokenizer, one.max_seq_length = tokenizer, 16  # GIST asks whether they differ
    loss = case.peer(model, other)
    columns = [
        {"row": torch.arange(c * ROWS, (c + 1) * ROWS), "input_ids": torch.zeros(ROWS, 1)}
        for c in range(case.columns)
    ]
    value = loss(columns, labels)
    value.backward()
    return float(value.detach()), leaf.grad


def _probe(question):
    program = pathlib.Path(os.environ.get("ATTUNE_LOSS_PROBE", ROOT / "build/release/loss_probe"))
    done = subprocess.run(
        [program], input=json.dumps(question), capture_output=True, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # thousands of tiny operations
    )
    if done.returncode:
        raise ValueError(done.stderr.strip())
    return json.loads(done.stdout)


def _add_vectors(table, name, oracle, expected, gradient, answer):
    got = torch.tensor(answer["gradient"]).view(gradient.shape)
    size = max(1.0, float(gradient.abs().max()))
    cases = f"{len(gradient)} vectors"
    table.add(f"value: {name}", oracle, cases, abs(answer["value"] - expected) / max(1, expected),
              VALUE_TOLERANCE, f"{expected:.4f}")
    table.add(f"gradient: {name}", oracle, cases, float((got - gradient).abs().max()) / size,
              GRADIENT_TOLERANCE, f"largest entry {float(gradient.abs().max()):.3f}")
    if "hardness" in name:
        return  # its weights are not differentiated: the peer's gradient is the oracle
    table.add(f"gradient by differences: {name}", "central differences, fp64", cases,
              answer["difference"] / size, DIFFERENCE_TOLERANCE)


def _same_vectors(table, case, seed, tokenizer, settings):
    torch.manual_seed(seed)
    vectors = torch.randn(case.columns * ROWS, WIDTH)
    vectors[ROWS : 2 * ROWS] += vectors[:ROWS]  # positives are near, as in training
    guide = torch.randn(case.columns * ROWS, GUIDE_WIDTH)
    guide[ROWS : 2 * ROWS] += guide[:ROWS]
    labels = torch.rand(ROWS, case.labels) if case.labels else None
    flat = labels.squeeze(1) if case.labels == 1 else labels
    expected, gradient = _peer_value(case, vectors, guide, flat, tokenizer)
    question = {"loss": settings, "rows": ROWS, "columns": case.columns,
                "vectors": vectors.tolist(), "guide": guide.tolist()}
    if labels is not None:
        question["labels"] = labels.tolist()
    _add_vectors(table, case.name, _oracle(), expected, gradient, _probe(question))


def _oracle():
    return f"sentence-transformers {importlib.metadata.version('sentence-transformers')}"


def _infonce(table, name, settings, own, documents, margin, seed):
    """Its definition, passage by passage, in fp64."""
    torch.manual_seed(seed)
    columns = 3
    vectors = torch.randn(columns * ROWS, WIDTH)
    vectors[ROWS : 2 * ROWS] += vectors[:ROWS]
    identity = torch.arange((columns - 1) * ROWS)
    identity[3], identity[ROWS + 5] = identity[1], identity[2]  # passages that stand twice
    relevant = [{int(identity[i])} for i in range(ROWS)]
    relevant[0] |= {int(identity[4]), 10_000}  # another's positive, and one that is not here
    relevant[6] |= {int(identity[ROWS + 7])}  # another's negative
    leaf = vectors.double().requires_grad_(True)
    units = leaf / leaf.norm(dim=1, keepdim=True)
    place = {}
    for index, number in enumerate(identity.tolist()):
        place.setdefault(number, index)
    terms = []
    for i in range(ROWS):
        cosine = {d: units[i] @ units[ROWS + index] for d, index in place.items()}
        mine = int(identity[i])
        positives = {mine} if own else relevant[i] & place.keys()
        left_out = set(positives)
        if documents:
            left_out |= relevant[i]
        if margin is not None:
            left_out |= {d for d, c in cosine.items() if c.item() > cosine[mine].item() - margin}
        others = [20 * c for d, c in cosine.items() if d not in left_out]
        terms.append(sum(
            torch.logsumexp(torch.stack([20 * cosine[p], *others]), 0) - 20 * cosine[p]
            for p in positives
        ) / len(positives))
    value = sum(terms) / ROWS
    value.backward()
    answer = _probe({
        "loss": settings, "rows": ROWS, "columns": columns, "vectors": vectors.tolist(),
        "document_id": identity.tolist(), "relevant": [sorted(r) for r in relevant],
    })
    _add_vectors(table, name, "the definition in fp64", float(value.detach()), leaf.grad.float(),
                 answer)


def _rows(case, seed, count):
    """Texts, and labels that a teacher might give."""
    torch.manual_seed(seed)
    # Short ones for GIST: the peer cuts the guide's texts as the trained model's, attune does not.
    high = 16 if case.settings["type"] == "gist" else 60
    texts = generated_texts.training_rows(seed, count, negatives=case.columns - 2, high=high)
    labels = torch.rand(count, case.labels) if case.labels else torch.zeros(count, 0)
    return texts, [[round(x, 4) for x in row] for row in labels.tolist()]


def _write(path, texts, labels):
    with path.open("w", encoding="utf-8") as file:
        for row, label in zip(texts, labels):
            line = {f"column_{i}": text for i, text in enumerate(row)}
            if label:
                line["label"] = label if len(label) > 1 else label[0]
            file.write(json.dumps(line) + "\n")
    return path


def _trained(table, context, case, base, guide, seed):
    settings = Settings(batch_size=8, max_steps=12, epochs=2, learning_rate=5e-5, max_length=48)
    if case.settings["type"] == "gist":
        # A passage that stands twice in a batch is as near as the positive, and the peer leaves it
        # out or not by the last bits of its guide's vectors.
        settings = dataclasses.replace(settings, sampler="no_duplicates", seed=0)
    texts, labels = _rows(case, seed, 96)
    slug = "loss_" + "".join(c if c.isalnum() else "_" for c in case.name)
    data = _write(context.work / f"{slug}.jsonl", texts, labels)
    objective = dict(case.settings)
    if case.settings["type"] == "gist":
        objective["guide"] = str(guide)
    if case.name.startswith("Matryoshka"):
        width = json.loads((base / "config.json").read_text())["hidden_size"]
        objective = _with_matryoshka(objective, width)

    def loss(model):
        return case.peer(model, peer_training.load(guide, settings))

    flat = [label[0] if len(label) == 1 else label for label in labels] if case.labels else None
    run = peer_training.train(base, texts, settings, loss, labels=flat)
    ours = context.attune.train(base, data, settings, loss=objective)
    cases = f"{len(run.losses)} steps, batch {settings.batch_size}"
    table.add(f"loss per step: {case.name}", _oracle() + " trainer", cases,
              loss_difference(run.losses, ours.column("loss")), LOSS_TOLERANCE,
              f"loss {run.losses[0]:.3f} to {run.losses[-1]:.3f}; unit max(loss, 0.2)")
    norms = max(abs(a - b) / max(a, 1e-3) for a, b in zip(run.grad_norms, ours.column("grad_norm")))
    table.add(f"gradient norm per step: {case.name}", _oracle() + " trainer", cases, norms,
              NORM_TOLERANCE, "relative")
    return data, objective


def _cached(table, context, name, base, data, objective):
    """The first step: later ones start from weights that rounding has moved apart."""
    settings = Settings(batch_size=16, max_steps=1, max_length=48, dropout=0.1)
    plain = context.attune.train(base, data, settings, loss=objective)
    cached = context.attune.train(base, data, settings, loss=objective, chunk_tokens=128)
    a, b = plain.column("loss")[0], cached.column("loss")[0]
    x, y = plain.column("grad_norm")[0], cached.column("grad_norm")[0]
    worst = max(abs(a - b) / max(1, a), abs(x - y) / max(1, x))
    table.add(f"cached as plain: {name}", "attune without chunks", "1 step, dropout 0.1", worst,
              CACHED_TOLERANCE, f"loss {a:.4f}, gradient norm {x:.3f}")


def rows(table, context):
    # The guide is the base, frozen: another one would have a tokenizer and prompts of its own,
    # which the peer passes over where the vocabularies are equal.
    base = guide = context.shapes["max"]
    tokenizer = SentenceTransformer(str(base), device="cpu").tokenizer
    over = [case for case in CASES if case.name in ("MNRL", "GIST", "CoSENT", "MarginMSE, gaps")]
    every = [*CASES, *map(_matryoshka, over)]
    for seed, case in enumerate(every, start=600):
        settings = case.settings
        if settings["type"] == "gist":
            settings = settings | {"guide": "given"}
        if case.name.startswith("Matryoshka"):
            settings = _with_matryoshka(settings, WIDTH)
        table.guard(case.name, _oracle(), _same_vectors, case, seed, tokenizer, settings)
    infonce = itertools.product((False, True), (False, True), (None, -0.1))
    for own, documents, margin in infonce:
        mask = ["document"] * documents + ["margin"] * (margin is not None)
        settings = {"type": "infonce", "positives": "own" if own else "all", "mask": mask}
        if margin is not None:
            settings["margin"] = margin
        name = f"InfoNCE, {'own positive' if own else 'all positives'}, mask {mask or 'none'}"
        table.guard(name, "the definition", _infonce, name, settings, own, documents, margin, 700)
    for seed, case in enumerate(every, start=800):
        if not case.trained:
            continue
        made = table.guard(case.name, _oracle(), _trained, context, case, base, guide, seed)
        if made:
            table.guard(case.name, "attune", _cached, context, case.name, base, *made)
    data = context.work / "loss_MNRL.jsonl"
    if data.exists():
        objective = {"type": "infonce", "mask": ["document", "margin"], "margin": -0.1}
        table.guard("InfoNCE", "attune", _cached, context, "InfoNCE", base, data, objective)
