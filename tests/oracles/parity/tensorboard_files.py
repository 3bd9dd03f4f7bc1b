"""What `train.tensorboard` writes, read by TensorBoard itself: a run that was killed in the middle
and resumed shows every step once, with the numbers of metrics.jsonl.
"""

import importlib.metadata
import json
import math
import signal
import subprocess
import time

import numpy as np
import yaml

from . import generated_texts

STEPS = 60
TAGS = {f"train/{name}": name for name in ("loss", "learning_rate", "grad_norm")}


def _config(context, base):
    rows = generated_texts.training_rows(71, 40)
    data, _ = generated_texts.write_rows(context.work, "tensorboard", rows)
    place = context.work / "tensorboard_run"
    config = {
        "version": 1,
        "name": "tensorboard",
        "device": "cpu",
        "output": str(place),
        "data": {"train": str(data), "validation": str(data)},
        "model": {"base": str(base)},
        "train": {
            "batch_size": 4,
            "epochs": 100,
            "max_steps": STEPS,
            "checkpoint_steps": 7,
            "evaluate_steps": 10,
            "tensorboard": True,
        },
    }
    path = context.work / "tensorboard.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path, place


def _kill_in_the_middle(context, config, place):
    process = subprocess.Popen(
        [context.attune.binary, "train", config],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    metrics = place / "metrics.jsonl"
    while process.poll() is None:
        if metrics.exists() and metrics.read_bytes().count(b'"event":"step"') >= STEPS // 3:
            process.send_signal(signal.SIGKILL)
        time.sleep(0.005)
    if process.returncode != -signal.SIGKILL:
        raise ValueError("the run ended before it was killed: nothing would be resumed")
    # What a kill in the middle of a write leaves.
    (newest,) = (place / "tensorboard").iterdir()
    with newest.open("ab") as file:
        file.write(b"\x18\x00\x00")


def _float32(value):
    return float(np.float32(value))


def rows(table, context):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config, place = _config(context, context.shapes["wide"])
    _kill_in_the_middle(context, config, place)
    context.attune.run("train", config, "--resume")
    lines = (place / "metrics.jsonl").read_text("utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    read = EventAccumulator(str(place / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    oracle = f"tensorboard {importlib.metadata.version('tensorboard')}"

    steps = [event for event in events if event["event"] == "step"]
    worst = 0.0
    for tag, key in TAGS.items():
        got = [(scalar.step, scalar.value) for scalar in read.Scalars(tag)]
        expected = [(step["step"], _float32(step[key])) for step in steps]
        if [step for step, _ in got] != [step for step, _ in expected]:
            raise ValueError(f"{tag}: steps {[step for step, _ in got]}")
        worst = max([worst, *(abs(a[1] - b[1]) for a, b in zip(got, expected))])
    rates = [scalar.value for scalar in read.Scalars("train/pairs_per_second")]
    if len(rates) != STEPS or not all(math.isfinite(rate) and rate > 0 for rate in rates):
        raise ValueError(f"train/pairs_per_second: {rates}")
    table.add("tensorboard: steps of a killed and resumed run", oracle, f"{STEPS} steps", worst, 0)

    evaluations = [event for event in events if event["event"] == "evaluate"]
    worst = 0.0
    for name in evaluations[0]["metrics"]:
        got = [(scalar.step, scalar.value) for scalar in read.Scalars(f"validation/{name}")]
        expected = [(event["step"], _float32(event["metrics"][name])) for event in evaluations]
        if [step for step, _ in got] != [step for step, _ in expected]:
            raise ValueError(f"validation/{name}: steps {[step for step, _ in got]}")
        worst = max([worst, *(abs(a[1] - b[1]) for a, b in zip(got, expected))])
    table.add("tensorboard: evaluations", oracle, f"{len(evaluations)} evaluations", worst, 0)
