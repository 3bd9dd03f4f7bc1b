"""Prints the parity table. Run it by scripts/parity."""

import argparse
import dataclasses
import os
import pathlib
import platform
import shutil
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from . import (
    adapters,
    artifacts,
    batches,
    checkpoints,
    datasets,
    embeddings,
    export,
    families,
    metrics,
    losses,
    matrix,
    mining,
    peer_training,
    schedules,
    tensorboard_files,
    tokens,
    trained,
    training,
    weights_files,
)
from .program import Attune
from .report import Table

ROOT = pathlib.Path(__file__).resolve().parents[3]
GROUPS = {
    "tokens": tokens.rows,
    "embeddings": embeddings.rows,
    "training": training.rows,
    "losses": losses.rows,
    "schedules": schedules.rows,
    "metrics": metrics.rows,
    "artifacts": artifacts.rows,
    "adapters": adapters.rows,
    "trained": trained.rows,
    "export": export.rows,
    "families": families.rows,
    "matrix": matrix.rows,
    "batches": batches.rows,
    "datasets": datasets.rows,
    "mining": mining.rows,
    "tensorboard": tensorboard_files.rows,
    "weights": weights_files.rows,
}


@dataclasses.dataclass
class Context:
    """What every group of rows needs."""

    attune: Attune
    work: pathlib.Path
    quick: bool
    base: pathlib.Path | None  # all-MiniLM-L6-v2
    shapes: dict  # name -> directory

    def shape(self, name):
        return next(shape for shape in checkpoints.SHAPES if shape.name == name)


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="scripts/parity",
        description="attune beside its peers, row by row; ends with 1 if a row fails.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer texts and steps: minutes on two cores"
    )
    parser.add_argument(
        "--only", action="append", choices=GROUPS, help="one group of rows (may be repeated)"
    )
    parser.add_argument(
        "--attune", type=pathlib.Path, default=ROOT / "build/release/attune", help="the program"
    )
    parser.add_argument("--base", type=pathlib.Path, help="another all-MiniLM-L6-v2 directory")
    parser.add_argument(
        "--work", type=pathlib.Path, default=ROOT / "build/parity", help="written anew each time"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of both programs")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    if not options.attune.is_file():
        print(
            f"{options.attune} is not there: build it (scripts/quickstart, scripts/test) or pass "
            "--attune",
            file=sys.stderr,
        )
        return 2
    peer_training.quiet()
    peer_training.set_threads(options.threads)
    marker = options.work / "parity.json"
    if options.work.exists() and any(options.work.iterdir()) and not marker.exists():
        print(
            f"{options.work} holds something else than a parity run: not touched", file=sys.stderr
        )
        return 2
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    marker.write_text("{}\n")
    table = Table()
    attune = Attune(options.attune, options.work / "attune", options.threads)
    base = options.base or checkpoints.find_base_model()
    if base is None:
        table.remark("all-MiniLM-L6-v2 is not installed: random checkpoints alone")
    shapes = {
        shape.name: checkpoints.make(options.work / "models", shape) for shape in checkpoints.SHAPES
    }
    context = Context(attune, options.work, options.quick, base, shapes)
    facts = peer_training.versions() | {
        "attune": attune.version(),
        "processor": platform.processor(),
        "threads": options.threads,
        "quick": options.quick,
    }
    for name, rows in GROUPS.items():
        if not options.only or name in options.only:
            table.guard(name, "-", rows, context)
    print("  ".join(f"{key} {value}" for key, value in facts.items()))
    table.print()
    table.save(marker, facts)
    return 0 if table.holds else 1


if __name__ == "__main__":
    sys.exit(main())
