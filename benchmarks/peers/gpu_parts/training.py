"""Whole training steps of both programs, in bf16 and with mixed lengths.

Losses: each round has a seed of its own, the same for both programs, hence the same pairs in every
step (tokens are compared, step by step). The mean loss of the second half of the steps, mean over
the seeds, may differ by the spread of the peer's own runs over these seeds, or by 2 % of it where
that is more (which is what two bf16 runs differ by that round in other places); else the row has no
figure.
"""

import dataclasses
import statistics
import time

from parity import generated_texts, peer_training

from gpu_parts import models, peer_runs
from gpu_parts.bench import (
    LOSS_SHARE,
    NotMeasured,
    attune_seconds,
    lengths_of,
    over_rounds,
    pairs,
    told,
)


@dataclasses.dataclass(frozen=True)
class Work:
    """One training row. batch: pairs; 0: as many as have `tokens` tokens."""

    name: str
    model: str
    goal: float | None = None
    share_goal: float | None = None
    batch: int = 0
    steps: int = 24
    dropout: float | None = 0.0  # None: the model's own
    like: str = ""  # row whose choice of the peer's setting is taken


TRAINING = (
    Work("d=384 (MiniLM)", "base", 3, 0.45, steps=40),
    Work("64 pairs (MiniLM)", "base", 5, batch=64, steps=100),
    Work("d=768 (bge-base)", "bge-base", 2, 0.55),
    Work("d=1024 (bge-large)", "bge-large", 1.7, 0.60, steps=16),
    Work("d=384 (MiniLM), dropout 0.1", "base", steps=40, dropout=None, like="d=384 (MiniLM)"),
    Work("ModernBERT-base", "modernbert-base"),
    Work("d=768 (bge-base), dropout 0.1", "bge-base", dropout=None, like="d=768 (bge-base)"),
)


TINY_TRAINING = (
    "d=384 (MiniLM)",
    "d=768 (bge-base)",
    "d=384 (MiniLM), dropout 0.1",
    "ModernBERT-base",
)


def flops_a_token(shape, lengths):
    """Forward, mean over these texts."""
    return sum(models.forward_flops(shape, n) for n in lengths) / sum(lengths)


def second_half(losses):
    return statistics.fmean(losses[len(losses) // 2 :])


def loss_verdict(rounds):
    """(dict of means, spread and verdict); raises NotMeasured where the two trained differently."""
    for one in rounds:
        if one["peer"]["tokens"] != one["attune"]["tokens"]:
            raise NotMeasured(
                f"tokens a step differ: {one['peer']['tokens'][:5]}... of the peer, "
                f"{one['attune']['tokens'][:5]}... of attune"
            )
    ends = {who: [second_half(one[who]["losses"]) for one in rounds] for who in ("peer", "attune")}
    means = {who: statistics.fmean(values) for who, values in ends.items()}
    spread = max(ends["peer"]) - min(ends["peer"])
    apart = abs(means["peer"] - means["attune"])
    if not apart <= max(spread, LOSS_SHARE * max(means["peer"], 0.2)):  # not a number fails too
        raise NotMeasured(
            f"the losses differ: {means['peer']:.4f} of the peer, {means['attune']:.4f} of attune, "
            f"spread of the peer's seeds {spread:.4f}"
        )
    return means | {"spread": spread, "within": apart <= spread, "seeds": len(rounds)}


def choose(bench, work, base, dataset, settings):
    """The peer's fastest setting, in short runs."""
    warm_up = bench.sizes.warm_up
    can, cannot = peer_runs.settings_to_try(bench.device, not bench.options.no_compile)
    short = dataclasses.replace(settings, max_steps=min(settings.max_steps, warm_up + 6))
    tried = peer_runs.try_each(
        can,
        lambda one: peer_runs.train(base, dataset, short, one, warm_up).seconds,
        bench.device,
        bench.left,
    )
    bench.tried += [(work.name, one) for one in [*tried, *cannot]]
    return peer_runs.best(tried)


def train_row(bench, work):
    bench.need(40)
    sizes, shape = bench.sizes, bench.shapes[work.model]
    steps = sizes.warm_up + 3 if bench.options.tiny else work.steps
    base = bench.model(work.model)
    sample = [text for row in pairs(5, 256, sizes.passages) for text in row]
    lengths = lengths_of(base, sample, sizes.max_length)
    batch = work.batch or max(2, round(sizes.tokens / (2 * statistics.fmean(lengths))))
    if bench.options.tiny:
        batch = min(batch, 8)
    rows = pairs(6, batch * steps, sizes.passages)
    data, _ = generated_texts.write_rows(bench.options.work, "train", rows)
    dataset = peer_training.dataset_of(rows)
    settings = peer_training.Settings(
        batch_size=batch,
        max_steps=steps,
        max_length=sizes.max_length,
        dropout=work.dropout,
        precision="bf16",
        device=bench.device,
    )

    if work.model not in bench.trained:  # before the peer takes minutes for a row that cannot be
        bench.attune_run(base, data, dataclasses.replace(settings, max_steps=2))
        bench.trained.add(work.model)
    setting = bench.chosen.get(work.like) or choose(bench, work, base, dataset, settings)
    bench.chosen[work.name] = setting

    rounds, cost = [], 0.0
    for number in range(bench.options.rounds):
        if number >= 2 and bench.left() < 1.5 * cost:
            break
        began, one = time.monotonic(), {}
        seeded = dataclasses.replace(settings, seed=42 + number)
        for who in ("peer", "attune") if number % 2 == 0 else ("attune", "peer"):
            if who == "peer":
                run = peer_runs.train(base, dataset, seeded, setting, sizes.warm_up)
                one[who] = dataclasses.asdict(run)
            else:
                run, peak = bench.attune_run(base, data, seeded)
                one[who] = {
                    "losses": run.column("loss"),
                    "tokens": run.column("tokens"),
                    "seconds": attune_seconds(run, sizes.warm_up),
                    "peak_bytes": told(run, "peak_memory_bytes", max),
                    "device_peak_bytes": peak,
                    "padded_tokens": told(run, "padded_tokens", sum),
                    "graph_hits": told(run, "graph_hits", sum),
                    "graph_steps": told(run, "graph_steps", sum),
                }
            bench.say(f"  round {number + 1}, {who}: {1000 * one[who]['seconds']:.1f} ms a step")
        rounds.append(one)
        cost = time.monotonic() - began
    verdict = loss_verdict(rounds)

    tokens = statistics.fmean(n for one in rounds for n in one["peer"]["tokens"][sizes.warm_up :])
    flops = 3 * flops_a_token(shape, lengths) * tokens
    seconds = {who: [one[who]["seconds"] for one in rounds] for who in ("peer", "attune")}
    speed = {who: statistics.median(values) for who, values in seconds.items()}
    last = rounds[-1]
    padded = sum(last["peer"]["padded"])
    own_padded = last["attune"]["padded_tokens"]
    hits, of = last["attune"]["graph_hits"], last["attune"]["graph_steps"]
    return {
        "name": work.name,
        "goal": work.goal,
        "share goal": work.share_goal,
        "batch": batch,
        "tokens": tokens,
        "setting": setting.name,
        "seconds": seconds,
        "ratio": over_rounds([p / a for p, a in zip(seconds["peer"], seconds["attune"])]),
        "share": {who: flops / value / bench.rate for who, value in speed.items()},
        "tokens/s": {who: tokens / value for who, value in speed.items()},
        "pairs/s": {who: batch / value for who, value in speed.items()},
        "padding": {
            "peer": 1 - sum(last["peer"]["tokens"]) / padded,
            "attune": None
            if own_padded is None
            else 1 - sum(last["attune"]["tokens"]) / own_padded,
        },
        "graph hit rate": hits / of if of else None,
        "peak": {
            "peer": last["peer"]["peak_bytes"],
            "attune": last["attune"]["peak_bytes"],
            "attune, device": last["attune"]["device_peak_bytes"],
        },
        "loss": verdict,
        "rounds": rounds,
    }
