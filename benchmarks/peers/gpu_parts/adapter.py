"""Adapters on cached vectors: attune's training beside LlamaIndex's loop."""

import dataclasses
import json
import statistics
import time

import numpy as np
import torch
from parity import generated_texts, peer_training
from parity.adapter_loop import peer_loop

from gpu_parts import models, peer_runs
from gpu_parts.bench import LOSS_SHARE, NotMeasured, over_rounds, pairs


def adapter(bench):
    """Cached pairs a second: attune's adapter training beside LlamaIndex's loop."""
    bench.need(60)
    sizes = bench.sizes
    base = bench.model("bge-base")
    rows = pairs(9, sizes.adapter_pairs, (3, 8))
    data, _ = generated_texts.write_rows(bench.options.work, "adapter", rows)
    settings = peer_training.Settings(
        batch_size=sizes.adapter_batch,
        epochs=1 + sizes.adapter_epochs,
        learning_rate=1e-4,
        max_length=32,
        precision="bf16",
        device=bench.device,
    )
    queries, passages = (embedded(bench, base, rows, column) for column in (0, 1))
    width, count = queries.shape[1], -(-len(rows) // sizes.adapter_batch)
    peer_loop(identity(width, bench.device), queries[:64], passages[:64], settings)  # warm
    config = {"type": "linear", "vectors": str(bench.options.work / "vectors")}
    common = {"mode": "adapter", "parity": "llamaindex", "adapter": config}
    bench.attune_run(base, data, dataclasses.replace(settings, epochs=1), **common)  # embeds
    rounds = []
    for number in range(bench.options.rounds):
        one = {}
        for who in ("peer", "attune") if number % 2 == 0 else ("attune", "peer"):
            if who == "attune":
                # Whole runs, loading and saving included, that differ by the timed epochs alone.
                brief, _ = bench.attune_run(
                    base, data, dataclasses.replace(settings, epochs=1), **common
                )
                run, _ = bench.attune_run(base, data, settings, **common)
                seconds = (r.result["metrics"]["seconds"] for r in (run, brief))
                one[who] = {
                    "losses": run.column("loss"),
                    "seconds": (next(seconds) - next(seconds)) / (len(run.steps) - count),
                    "step alone": statistics.fmean(run.column("seconds")[count:]),
                }
            else:
                layer = identity(width, bench.device)
                models.synchronize(bench.device)
                began = time.perf_counter()
                losses = peer_loop(layer, queries, passages, settings)
                models.synchronize(bench.device)
                one[who] = {
                    "losses": losses,
                    "seconds": (time.perf_counter() - began) / len(losses),
                }
            bench.say(f"  round {number + 1}, {who}: {1e6 * one[who]['seconds']:.1f} us a step")
        rounds.append(one)
    peer, own = rounds[-1]["peer"]["losses"], rounds[-1]["attune"]["losses"]
    if len(peer) != len(own):
        raise NotMeasured(f"{len(peer)} steps of the peer, {len(own)} of attune")
    apart = max(abs(a - b) / max(a, 0.2) for a, b in zip(peer, own))
    if not apart <= LOSS_SHARE:
        raise NotMeasured(f"the losses differ by {apart:.3g} of max(loss, 0.2)")
    seconds = {who: [one[who]["seconds"] for one in rounds] for who in ("peer", "attune")}
    if not min(seconds["attune"]) > 0:
        raise NotMeasured(f"{sizes.adapter_epochs} epochs more took no time: too few to time")
    pairs_a_step = len(rows) / count
    alone = statistics.median(one["attune"]["step alone"] for one in rounds)
    return {
        "pairs": len(rows),
        "width": width,
        "batch": sizes.adapter_batch,
        "seconds": seconds,
        "ratio": over_rounds([p / a for p, a in zip(seconds["peer"], seconds["attune"])]),
        "pairs/s": {
            who: pairs_a_step / statistics.median(values) for who, values in seconds.items()
        },
        "step alone, pairs/s": pairs_a_step / alone,
        "losses apart": apart,
        "engine pairs/s": engine_as_it_is(bench, base, rows[: sizes.engine_pairs]),
    }


def identity(width, device):
    """LlamaIndex's LinearLayer at its start."""
    layer = torch.nn.Linear(width, width, bias=False, device=device)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(width))
    return layer


def embedded(bench, base, rows, column):
    """Vectors of one column by `attune embed`, on the device: both train on the same ones."""
    place = bench.options.work / f"adapter-{column}"
    source, out = place.with_suffix(".jsonl"), place.with_suffix(".npy")
    source.write_text("".join(json.dumps(row[column]) + "\n" for row in rows), encoding="utf-8")
    role = ("query", "text")[column]
    command = (
        f"embed --precision bf16 --role {role} --device {bench.device} --max-length 32".split()
    )
    bench.attune.run(*command, "--model", base, "--input", source, "--output", out)
    vectors = torch.from_numpy(np.load(out, allow_pickle=False)).to(bench.device)
    out.unlink()
    return vectors


def engine_as_it_is(bench, base, rows):
    """Pairs a second of its first epoch where each text is embedded by a call of its own."""
    encoder = peer_runs.Encoder(base, bench.device, 32, compiled=False)
    encoder([rows[0][0]], 1)
    began = time.perf_counter()
    for query, passage in rows:
        encoder([query], 1)
        encoder([passage], 1)
    seconds = time.perf_counter() - began
    del encoder
    peer_runs.free(bench.device)
    return len(rows) / seconds
