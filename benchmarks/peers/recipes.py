#!/usr/bin/env python3
"""MedQuAD's and SQuAD's recipes against their base and sentence-transformers' defaults.

    .venv/bin/python benchmarks/peers/recipes.py [--pairs 2000] [--choose medquad] [--help]

Each program trains on the same pairs, a seeded sample of the training file (the whole of it takes
hours on two cores), for the epochs of the recipe. attune takes every other setting of the recipe;
the peer is SentenceTransformerTrainer with MultipleNegativesRankingLoss and every default of its
training arguments. Neither is validated on the way. Both models and their base are ranked by
`attune evaluate` on the test split, whose questions are sampled too where there are many; its
intervals are a paired bootstrap over the questions. --choose tries batch sizes and rates on the
validation split alone, and is how the recipes' were chosen; the test split is never looked at.
"""

import argparse
import json
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import measured

import yaml
from sentence_transformers import SentenceTransformerTrainingArguments

from parity import corpora, peer_training
from parity.program import AttuneFailed

RECIPES = {"medquad": "medquad", "squad": "squad_v11"}  # recipe: folder of the data
SHOWN = ("hit_rate@1", "hit_rate@5", "mrr@10", "ndcg@10")
GRID = [(32, 2e-5), (32, 5e-5), (32, 1e-4), (32, 2e-4), (16, 1e-4)]  # batch, rate


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--pairs", type=int, default=2000, help="for training, at most")
    parser.add_argument("--questions", type=int, default=2000, help="of the test split, at most")
    parser.add_argument("--seed", type=int, default=42, help="of the samples and both trainings")
    parser.add_argument("--choose", action="store_true", help="print the grid and stop")
    measured.add_options(parser)
    return parser.parse_args(arguments)


def sample(data, count, seed, keep_corpus):
    """`count` of its questions in the file's order; the passages that answer them, or all."""
    keys = list(data["queries"])
    if len(keys) > count:
        chosen = set(random.Random(seed).sample(keys, count))
        keys = [key for key in keys if key in chosen]
    relevant = {key: data["relevant_docs"][key] for key in keys}
    wanted = {identity for identities in relevant.values() for identity in identities}
    return {
        "queries": {key: data["queries"][key] for key in keys},
        "corpus": {
            identity: text
            for identity, text in data["corpus"].items()
            if keep_corpus or identity in wanted
        },
        "relevant_docs": relevant,
        "mode": "text",
    }


def read_set(options, name, split):
    path = corpora.find(f"{RECIPES[name]}/retrieval/{split}.json")
    train = split == "train"
    count = options.pairs if train else options.questions
    data = sample(corpora.read(path), count, options.seed, keep_corpus=not train)
    place = options.work / f"{name}_{split}.json"
    place.write_text(json.dumps(data), encoding="utf-8")
    return data, place


def recipe(name):
    text = (measured.ROOT / f"configs/experiments/{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def train_attune(options, attune, name, data, place, **train):
    """The recipe, with `train` laid over its section; (artifact, what the command told)."""
    config = recipe(name)
    config |= {"output": str(place), "data": {"train": str(data)}, "device": "cpu"}
    config["seed"] = options.seed
    config.pop("evaluate")
    config["model"]["base"] = str(options.base)
    config["train"] |= train
    path = place.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    out = attune.run("train", path, "--overwrite", "--json")
    return place / "artifact", json.loads(out.strip().splitlines()[-1])["metrics"]


def peer_settings(options, config):
    """The defaults of the peer's arguments, the recipe's epochs and length."""
    defaults = SentenceTransformerTrainingArguments(output_dir=str(options.work / "peer"))
    return peer_training.Settings(
        seed=options.seed,
        epochs=config["train"]["epochs"],
        batch_size=defaults.per_device_train_batch_size,
        learning_rate=defaults.learning_rate,
        warmup_ratio=defaults.warmup_steps,
        weight_decay=defaults.weight_decay,
        max_grad_norm=defaults.max_grad_norm,
        max_length=config["model"]["max_length"],
        dropout=None,
    )


def train_peer(options, config, data, place):
    rows = [
        (text, data["corpus"][data["relevant_docs"][key][0]])
        for key, text in data["queries"].items()
    ]
    run = peer_training.train(options.base, rows, peer_settings(options, config))
    run.model.save_pretrained(str(place), create_model_card=False)
    return place, {"pairs": len(rows), "steps": len(run.losses)}


def evaluate(attune, models, data):
    """{model: {metric: value}} and {model: {metric: (gain of the first over it, low, high)}}."""
    named = [word for path in models.values() for word in ("--model", path)]
    found = json.loads(attune.run("evaluate", *named, "--dataset", data, "--json"))["models"]
    rows = dict(zip(models, found))
    values = {name: {metric: row[metric] for metric in SHOWN} for name, row in rows.items()}
    gains = {  # the program tells of a model against the first; here of the first against it
        name: {metric: (-gain, -high, -low) for metric, (gain, low, high) in row["gain"].items()}
        for name, row in list(rows.items())[1:]
    }
    return values, gains


def choose(options, attune, name):
    _, data = read_set(options, name, "train")
    _, held_out = read_set(options, name, "val")
    print(f"{name}: MRR@10 and NDCG@10 on the validation split, {options.pairs} pairs", flush=True)
    for batch_size, rate in GRID:
        model, _ = train_attune(
            options,
            attune,
            name,
            data,
            options.work / f"choose_{name}",
            batch_size=batch_size,
            learning_rate=rate,
        )
        values, _ = evaluate(attune, {"attune": model}, held_out)
        shown = " ".join(f"{values['attune'][metric]:.4f}" for metric in SHOWN[2:])
        print(f"batch {batch_size}, rate {rate:g}: {shown}", flush=True)


def ask(options, attune, name):
    config = recipe(name)
    data, path = read_set(options, name, "train")
    asked, test = read_set(options, name, "test")
    told = lambda who, facts: print(f"{name}, {who}: {facts}", file=sys.stderr, flush=True)
    models, trained = {"attune": None}, {}
    models["attune"], trained["attune"] = train_attune(
        options, attune, name, path, options.work / f"{name}_attune"
    )
    told("attune", trained["attune"])
    models["base"] = options.base
    began = time.perf_counter()
    models["peer"], trained["peer"] = train_peer(
        options, config, data, options.work / f"{name}_peer"
    )
    trained["peer"]["seconds"] = time.perf_counter() - began
    told("peer", trained["peer"])
    values, gains = evaluate(attune, models, test)
    told("values", values)
    return {
        "name": name,
        "pairs": len(data["queries"]),
        "questions": len(asked["queries"]),
        "passages": len(asked["corpus"]),
        "trained": trained,
        "values": values,
        "gains": gains,
        "recipe": config["train"],
        "peer": vars(peer_settings(options, config)),
    }


def page(result):
    cells = [
        (who, *(f"{result['values'][who][metric]:.4f}" for metric in SHOWN))
        for who in ("base", "peer", "attune")
    ]
    for who in ("base", "peer"):
        row = []
        for metric in SHOWN:
            gain, low, high = result["gains"][who][metric]
            row.append(f"{gain:+.3f} ({low:+.3f} to {high:+.3f})")
        cells.append((f"attune's gain over {who} (95 %)", *row))
    ours, theirs = result["recipe"], result["peer"]
    return [
        f"## {result['name']}: {result['pairs']} pairs, {ours['epochs']} epoch(s); "
        f"{result['questions']} questions over {result['passages']} passages",
        "",
        *measured.table(("model", *SHOWN), cells),
        "",
        f"attune: batch {ours['batch_size']}, rate {ours['learning_rate']}, warm-up "
        f"{ours['warmup_ratio']}, {ours['sampler']}, {result['trained']['attune']['steps']} steps. "
        f"Peer: batch {theirs['batch_size']}, rate {theirs['learning_rate']:g}, no warm-up, rows "
        f"in random order, {result['trained']['peer']['steps']} steps.",
        "",
    ]


def report(options, facts, results):
    lines = [
        f"# Recipes: attune against its base and sentence-transformers' defaults ({facts['date']})",
        "",
        "MedQuAD and SQuAD, equal pairs and epochs for both programs: a sample of the training "
        f"file (seed {options.seed}). Settings of the recipes were chosen on the validation split "
        "(`--choose`). Gains with a paired bootstrap over the questions. Quality only: the machine "
        "had other work beside, so no times are told.",
        "",
    ]
    for result in results:
        lines += page(result)
    lines += ["## Where", ""]
    lines += measured.table(("what", "value"), [*facts.items(), ("base", options.base_name)])
    return measured.write_report(
        options.reports, "recipes", lines, {"facts": facts, "measurements": [], "results": results}
    ), lines


def main(arguments=None):
    options = parse(arguments)
    error = measured.check(options, "recipes")
    for folder in (RECIPES[name] for name in options.sets):
        if not error and corpora.find(f"{folder}/retrieval/train.json") is None:
            error = f"{folder} is not in the shared data beside the repository"
    if error:
        print(error, file=sys.stderr)
        return 2
    attune, facts = measured.begin(options)
    attune.timeout = None
    try:
        if options.choose:
            for name in options.sets:
                choose(options, attune, name)
            return 0
        results = [ask(options, attune, name) for name in options.sets]
    except AttuneFailed as failure:
        print(f"no comparison: {failure}", file=sys.stderr)
        return 1
    path, lines = report(options, facts, results)
    measured.tell(path, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
