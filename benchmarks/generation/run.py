#!/usr/bin/env python3
"""Do pairs made without a language model help? Each offline generator over three collections.

    .venv/bin/python benchmarks/generation/run.py [--sets medquad squad] [--steps 20] [--help]

Collections with questions that people wrote: MedQuAD's answers and SQuAD's paragraphs (test splits,
beside the repository), and the documents of configs/quickstart.yaml but Python's library reference,
with their FAQs. The generators
see the documents alone, never a question: MedQuAD's pages give their subject as title and each
answer as a text, SQuAD's articles their title and paragraphs. all-MiniLM-L6-v2 is finetuned on the
pairs with the quickstart's settings, capped at so many steps, and ranks the collection's own
passages for the people's questions. Gains over the base with a paired bootstrap over the questions.
"""

import argparse
import html
import json
import pathlib
import random
import re
import sys
import tarfile
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "peers"))
import measured
import yaml

from parity import corpora
from parity.program import AttuneFailed

SYSTEMS = {  # name: generators
    "headings": ["headings"],
    "inverse cloze": ["inverse_cloze"],
    "cropping": ["cropping"],
    "keyphrases": ["keyphrases"],
    "definitions": ["definitions"],
    "headings, inverse cloze": ["headings", "inverse_cloze"],
    "all": ["headings", "definitions", "keyphrases", "inverse_cloze"],
}
SHOWN = ("hit_rate@1", "hit_rate@5", "mrr@10", "ndcg@10")
QUICKSTART = measured.ROOT / "configs/quickstart.yaml"


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=COLLECTIONS, default=list(COLLECTIONS))
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--steps", type=int, default=20, help="of training, at most")
    parser.add_argument("--questions", type=int, default=1000, help="of a test, at most")
    measured.add_options(parser)
    return parser.parse_args(arguments)


def collapsed(text):
    return " ".join(text.split())


def members(path, suffix):
    with tarfile.open(path) as archive:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            if member.name.endswith(suffix):
                yield archive.extractfile(member).read().decode("utf-8")


def medquad_texts():
    """(title, text) of every answer of MedQuAD; its questions are not read."""
    for page in members(corpora.find("medquad/raw/medquad-xml.tar.gz"), ".xml"):
        root = ElementTree.fromstring(page)
        title = collapsed(root.findtext("Focus") or "")
        for answer in root.iter("Answer"):
            yield title, collapsed(answer.text or "")


def squad_texts():
    """(title, text) of every paragraph of SQuAD's dev articles; its questions are not read."""
    for page in members(corpora.find("squad_v11/raw/explore-1.1-dev.tar.gz"), ".html"):
        title = re.search(r'<h1 id="title">(.*?)</h1>', page).group(1).replace("_", " ")
        for paragraph in re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL):
            yield html.unescape(title), collapsed(html.unescape(paragraph))


def shared_collection(options, name, folder, texts):
    """Sections of a configuration that generate from the passages of the set's test split, and the
    file with its questions, a sample of them.
    """
    data = json.loads(corpora.find(f"{folder}/retrieval/test.json").read_text(encoding="utf-8"))
    title_of = {}
    for title, text in texts():
        title_of.setdefault(text, title)
    documents = options.work / f"{name}.jsonl"
    rows = [{"title": title_of[text], "text": text} for text in data["corpus"].values()]
    documents.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    keys = list(data["queries"])
    chosen = sorted(random.Random(42).sample(range(len(keys)), min(options.questions, len(keys))))
    for part in ("queries", "relevant_docs"):
        data[part] = {keys[i]: data[part][keys[i]] for i in chosen}
    test = options.work / f"{name}_test.json"
    test.write_text(json.dumps(data), encoding="utf-8")
    return {"documents": {"paths": [str(documents)]}, "generate": {"test_share": 0}}, test


def medquad(options):
    return shared_collection(options, "medquad", "medquad", medquad_texts)


def squad(options):
    return shared_collection(options, "squad", "squad_v11", squad_texts)


def python(options):
    config = yaml.safe_load(QUICKSTART.read_text(encoding="utf-8"))
    config["documents"]["exclude"].append("library/*")  # most of the passages, few of the answers
    return {key: config[key] for key in ("documents", "chunks", "generate") if key in config}, None


COLLECTIONS = {"medquad": medquad, "squad": squad, "python": python}


def train(options, attune, name, system, sections):
    """(artifact, test set that the run made, number of pairs)."""
    quickstart = yaml.safe_load(QUICKSTART.read_text(encoding="utf-8"))
    place = options.work / f"{name}_{'_'.join(SYSTEMS[system])}"
    config = {"version": 1, "name": name, "output": str(place), "device": "cpu", **sections}
    config["generate"] = sections["generate"] | {
        "method": "offline",
        "generators": SYSTEMS[system],
        "validation_share": 0,
    }
    config["model"] = {"base": str(options.base), "max_length": 256}
    config["train"] = quickstart["train"] | {"max_steps": options.steps}
    path = place.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    attune.run("train", path, "--overwrite", "--json")
    pairs = json.loads((place / "datasets/train.json").read_text(encoding="utf-8"))
    return place / "artifact", place / "datasets/test.json", len(pairs["queries"])


def measure(options, attune, name):
    sections, test = COLLECTIONS[name](options)
    models, pairs = {"base": options.base}, {}
    for system in options.systems:
        models[system], made, pairs[system] = train(options, attune, name, system, sections)
        test = test or made
        print(f"{name}, {system}: {pairs[system]} questions", file=sys.stderr, flush=True)
    named = [word for path in models.values() for word in ("--model", path)]
    how = ("--bm25", "--precision", "bf16", "--json")
    told = json.loads(attune.run("evaluate", *named, "--dataset", test, *how))
    rows = dict(zip([*models, "bm25"], told["models"]))
    for system, row in rows.items():
        row |= {"model": system} | ({"against": "base"} if system != "base" else {})  # no paths
    data = json.loads(test.read_text(encoding="utf-8"))
    return {"name": name, "passages": len(data["corpus"]), "rows": rows, "pairs": pairs}


def page(options, result):
    cells = []
    for system, row in result["rows"].items():
        cell = [system, result["pairs"].get(system, "")]
        for metric in SHOWN:
            text = f"{row[metric]:.4f}"
            if "gain" in row and system != "bm25":
                gain, low, high = row["gain"][metric]
                text += f" {gain:+.3f} ({low:+.3f} to {high:+.3f})"
            cell.append(text)
        cells.append(cell)
    questions = result["rows"]["base"]["queries"]
    return [
        f"## {result['name']}: {questions} questions over {result['passages']} passages",
        "",
        *measured.table(("generators", "questions made", *SHOWN), cells),
        "",
    ]


def report(options, facts, results):
    lines = [
        f"# Offline generators, measured with people's questions ({facts['date']})",
        "",
        "Each number with its gain over the base and the 95 % interval of a paired bootstrap over "
        f"the questions. At most {options.steps} steps of 32 pairs, settings of the quickstart; "
        "ranked in bf16.",
        "",
    ]
    for result in results:
        lines += page(options, result)
    lines += ["## Where", ""]
    lines += measured.table(("what", "value"), [*facts.items(), ("base", options.base_name)])
    raw = {"facts": facts, "measurements": [], "results": results}
    return measured.write_report(options.reports, "generation", lines, raw), lines


def main(arguments=None):
    options = parse(arguments)
    error = measured.check(options, "generation")
    for folder in ("medquad", "squad_v11"):
        if not error and corpora.find(f"{folder}/retrieval/test.json") is None:
            error = f"{folder} is not in the shared data beside the repository"
    if error:
        print(error, file=sys.stderr)
        return 2
    attune, facts = measured.begin(options)
    attune.timeout = None
    try:
        results = [measure(options, attune, name) for name in options.sets]
    except AttuneFailed as failure:
        print(f"no table: {failure}", file=sys.stderr)
        return 1
    path, lines = report(options, facts, results)
    measured.tell(path, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
