"""The `attune` program as its contract describes it: commands in, arrays and records out."""

import dataclasses
import itertools
import json
import os
import pathlib
import subprocess

import numpy as np
import yaml


class AttuneFailed(Exception):
    """A command ended with another code than 0; the message carries what it said."""


def _paths(paths):
    """One path, or one for each data set: "" where it has none."""
    return [str(path or "") for path in paths] if isinstance(paths, list) else str(paths)


@dataclasses.dataclass
class TrainedRun:
    directory: pathlib.Path
    artifact: pathlib.Path
    steps: list  # the "step" events of metrics.jsonl
    evaluations: list
    result: dict

    def column(self, name):
        return [step[name] for step in self.steps]


class Attune:
    """Runs the binary with files under `work`; `threads` goes to every command."""

    def __init__(self, binary, work, threads, timeout=3600):
        self.binary = pathlib.Path(binary).resolve()
        self.work = pathlib.Path(work)
        self.threads = threads
        self.timeout = timeout
        self.counter = itertools.count(1)
        self.work.mkdir(parents=True, exist_ok=True)

    def run(self, *arguments):
        environment = dict(os.environ, OMP_NUM_THREADS=str(self.threads), HF_HUB_OFFLINE="1")
        command = [str(self.binary), *map(str, arguments)]
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=self.timeout,
        )
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip())[-1500:]
            raise AttuneFailed(f"attune {arguments[0]} ended with code {done.returncode}: {said}")
        return done.stdout

    def version(self):
        return self.run("--version").strip()

    def _place(self, suffix):
        return self.work / f"{next(self.counter):04d}{suffix}"

    def _write_texts(self, texts):
        path = self._place(".jsonl")
        lines = (json.dumps(text, ensure_ascii=True) for text in texts)
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        return path

    def embed(self, model, texts, role="text", precision="fp32", base=None):
        out = self._place(".npy")
        self.run(
            "embed",
            "--model",
            model,
            "--input",
            self._write_texts(texts),
            "--output",
            out,
            "--role",
            role,
            "--precision",
            precision,
            *(("--base", base) if base else ()),
        )
        vectors = np.load(out, allow_pickle=False)
        if vectors.dtype != np.float32 or vectors.ndim != 2 or len(vectors) != len(texts):
            raise AttuneFailed(
                f"attune embed wrote {vectors.dtype} {vectors.shape} for {len(texts)} texts"
            )
        return vectors

    def tokenize(self, model, texts):
        lines = self.run(
            "tokenize", "--model", model, "--input", self._write_texts(texts)
        ).splitlines()
        if len(lines) != len(texts):
            raise AttuneFailed(f"attune tokenize printed {len(lines)} lines for {len(texts)} texts")
        return [json.loads(line) for line in lines]

    def evaluate(self, models, dataset, k=(1, 3, 5, 10)):
        arguments = itertools.chain.from_iterable(("--model", str(model)) for model in models)
        out = self.run(
            "evaluate", *arguments, "--dataset", dataset, "--k", ",".join(map(str, k)), "--json"
        )
        answer = json.loads(out.strip().splitlines()[-1])
        if len(answer["models"]) != len(models):
            raise AttuneFailed(
                f"attune evaluate told of {len(answer['models'])} models, {len(models)} asked"
            )
        return answer["models"]

    def train(
        self,
        base,
        train_file,
        settings,
        negatives=None,
        chunk_tokens=0,
        validation=None,
        adapter=None,
        **more,
    ):
        """`settings`: peer_training.Settings; `more` adds or replaces keys of the train section.
        With several data sets `train_file` and `negatives` are lists.
        """
        place = self._place("_run")
        section = {
            "mode": "full",
            "epochs": settings.epochs,
            "batch_size": settings.batch_size,
            "learning_rate": settings.learning_rate,
            "warmup_ratio": settings.warmup_ratio,
            "weight_decay": settings.weight_decay,
            "max_grad_norm": settings.max_grad_norm,
            "precision": settings.precision,
            "sampler": settings.sampler,
            "schedule": settings.schedule,
            "dropout": "model" if settings.dropout is None else settings.dropout,
            "max_steps": settings.max_steps,
            "chunk_tokens": chunk_tokens,
            "multi_dataset": settings.multi_dataset,
            "accumulate": settings.accumulate,
            "loss": {"type": "mnrl", "scale": settings.scale},
        }
        if negatives:
            section["negatives"] = _paths(negatives)
        section.update(more)
        data = {"train": _paths(train_file)}
        if validation:
            data["validation"] = str(validation)
        config = {
            "version": 1,
            "name": place.name,
            "seed": settings.seed,
            "device": settings.device,
            "output": str(place),
            "data": data,
            "model": {
                "base": str(base),
                "max_length": settings.max_length,
                "prompts": {"columns": list(settings.column_prompts)}
                if settings.column_prompts
                else {"query": settings.query_prompt, "document": settings.document_prompt},
            },
            "train": section,
        }
        if adapter:
            config["adapter"] = adapter
        path = self._place(".yaml")
        path.write_text(
            yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8"
        )
        out = self.run("train", path, "--json")
        result = json.loads(out.strip().splitlines()[-1])
        if result.get("status") != "succeeded":
            raise AttuneFailed(f"attune train: {result}")
        directory = pathlib.Path(result["run"])
        events = [
            json.loads(line)
            for line in (directory / "metrics.jsonl").read_text("utf-8").splitlines()
        ]
        steps = [event for event in events if event["event"] == "step"]
        if [step["step"] for step in steps] != list(range(1, len(steps) + 1)):
            raise AttuneFailed(f"metrics.jsonl: steps are not 1..{len(steps)}")
        evaluations = [event for event in events if event["event"] == "evaluate"]
        return TrainedRun(directory, pathlib.Path(result["artifact"]), steps, evaluations, result)
