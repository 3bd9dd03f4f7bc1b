"""Real collections beside the repository, used where they are there; their absence is told, never
hidden.
"""

import gzip
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[4] / "shared" / "data"
SETS = [
    "finetune_embedding/retrieval/train.json",
    "medquad/retrieval/test.json",
    "squad_v11/retrieval/test.json",
    "xquad/retrieval/test.zh.json",
    "xquad/retrieval/test.ar.json",
    "xquad/retrieval/test.de.json",
]


def find(name):
    """The file's path, or None."""
    for suffix in ("", ".gz"):
        path = ROOT / (name + suffix)
        if path.is_file():
            return path
    return None


def read(path):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        return json.load(file)


def texts(table, context, count):
    """(name, texts) of every set that is present, evenly over its passages and queries."""
    for name in SETS[:3] if context.quick else SETS:
        path = find(name)
        if path is None:
            table.remark(
                f"{name} is not there ({ROOT.name}/ is looked for beside the repository): "
                "generated texts alone stand for it"
            )
            continue
        data = read(path)
        every = [*data["queries"].values(), *data["corpus"].values()]
        yield name.replace("/retrieval/", " "), every[:: max(1, len(every) // count)][:count]


def training_rows(name):
    """Rows (query, positive) of a set as LlamaIndex's engine makes them, or None."""
    path = find(name)
    if path is None:
        return None
    data = read(path)
    return [
        (text, data["corpus"][data["relevant_docs"][key][0]])
        for key, text in data["queries"].items()
    ]
