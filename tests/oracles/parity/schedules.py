"""Learning rates of every step: attune against transformers' schedulers."""

import importlib.metadata
import math

import torch
from transformers import get_scheduler

from . import generated_texts
from .peer_training import SCHEDULES, Settings

TOLERANCE = 1e-9  # of the peak


def expected_rates(settings, steps):
    """The rate used in each step, as the Trainer computes it: its warm-up is rounded up."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=settings.learning_rate)
    warmup = math.ceil(steps * settings.warmup_ratio)
    scheduler = get_scheduler(SCHEDULES[settings.schedule], optimizer, warmup, steps)
    rates = []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates


def _row(table, context, name, model, data, rows, settings):
    batches = math.ceil(len(rows) / settings.batch_size) * settings.epochs
    steps = min(batches, settings.max_steps) if settings.max_steps else batches
    ours = context.attune.train(model, data, settings).column("learning_rate")
    rates = expected_rates(settings, steps)
    if len(rates) != len(ours):
        raise ValueError(f"{len(rates)} steps expected, {len(ours)} taken")
    worst = max(abs(a - b) for a, b in zip(rates, ours)) / settings.learning_rate
    table.add(
        f"learning rates: {name}", oracle_name(), f"{steps} steps", worst, TOLERANCE, "of the peak"
    )


def oracle_name():
    return f"transformers {importlib.metadata.version('transformers')} get_scheduler"


def rows(table, context):
    pairs = generated_texts.training_rows(41, 22, low=3, high=8)
    data, _ = generated_texts.write_rows(context.work, "schedules", pairs)
    cases = [
        ("linear", 0.1, 0),
        ("cosine", 0.25, 0),
        ("constant", 0.1, 0),
        ("linear", 0.0, 0),
        ("cosine", 0.1, 7),
    ]
    for schedule, warmup, max_steps in cases if not context.quick else cases[:3]:
        settings = Settings(
            schedule=schedule,
            warmup_ratio=warmup,
            max_steps=max_steps,
            epochs=3,
            batch_size=4,
            learning_rate=3e-5,
            max_length=16,
        )
        name = f"{schedule}, warm-up {warmup:g}" + (f", {max_steps} steps" if max_steps else "")
        table.guard(
            f"learning rates: {name}",
            oracle_name(),
            _row,
            context,
            name,
            context.shapes["raw"],
            data,
            pairs,
            settings,
        )
