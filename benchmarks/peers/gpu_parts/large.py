"""Batches that fit no memory at once: their time, and memory against the batch."""

import dataclasses
import statistics

import torch
from parity import generated_texts, peer_training

import measured
from gpu_parts import peer_runs
from gpu_parts.bench import NotMeasured, attune_seconds, lengths_of, over_rounds, pairs, told


def cached_loss(mini_batch):
    from sentence_transformers.sentence_transformer.losses import (
        CachedMultipleNegativesRankingLoss,
    )

    return lambda model: CachedMultipleNegativesRankingLoss(model, mini_batch_size=mini_batch)


def large(bench):
    """65,536 pairs: time a token of a plain batch's, memory of the loss, the peer's cached one."""
    bench.need(60)
    sizes, base = bench.sizes, bench.options.base
    rows = pairs(7, sizes.large, sizes.large_words)
    data, _ = generated_texts.write_rows(bench.options.work, "large", rows)
    plain_data, _ = generated_texts.write_rows(bench.options.work, "beside", rows[: sizes.beside])
    common = dict(precision="bf16", device=bench.device, dropout=0.0, max_length=sizes.max_length)
    steps = 3
    settings = peer_training.Settings(
        batch_size=sizes.large, max_steps=steps, epochs=steps, **common
    )
    beside = dataclasses.replace(settings, batch_size=sizes.beside)
    lengths = lengths_of(base, [text for row in rows[:2000] for text in row], sizes.max_length)
    batch = max(2, round(sizes.tokens / (2 * statistics.fmean(lengths))))
    batch = min(batch, sizes.beside // 4)
    plain = dataclasses.replace(
        settings, batch_size=batch, max_steps=sizes.warm_up + 20, epochs=100
    )

    rounds = []
    for number in range(bench.options.rounds):
        if rounds and bench.left() < 60 and not bench.options.tiny:
            break
        one = {}
        for name, file, asked, chunk, skip in (
            ("large", data, settings, sizes.large_chunk, 1),
            ("plain", plain_data, plain, 0, sizes.warm_up),
            ("beside", plain_data, beside, sizes.large_chunk, 1),
        ):
            run, peak = bench.attune_run(base, file, asked, chunk_tokens=chunk)
            tokens = sum(run.column("tokens")[skip:])
            one[name] = {
                "seconds a token": sum(run.column("seconds")[skip:]) / tokens,
                "seconds": attune_seconds(run, skip),
                "tokens": run.column("tokens"),
                "losses": run.column("loss"),
                "peak_bytes": told(run, "peak_memory_bytes", max) or peak,
            }
            bench.say(f"  round {number + 1}, {name}: {one[name]['seconds']:.4f} s a step")
        rounds.append(one)
    result = {
        "pairs": sizes.large,
        "plain pairs": batch,
        "beside": sizes.beside,
        "chunk": sizes.large_chunk,
        "rounds": rounds,
        "ratio": over_rounds(
            [one["large"]["seconds a token"] / one["plain"]["seconds a token"] for one in rounds]
        ),
        "loss memory": None,
    }
    peaks = [one[name]["peak_bytes"] for name in ("large", "beside") for one in rounds]
    if None not in peaks:
        result["loss memory"] = max(peaks[: len(rounds)]) - min(peaks[len(rounds) :])
    result["peer"] = large_peer(bench, rows, settings, rounds)
    return result


def large_peer(bench, rows, settings, rounds):
    """The peer's cached loss at the same batch, in the best of its mini-batches; or why not."""
    dataset = peer_training.dataset_of(rows)
    setting = peer_runs.SETTINGS[0]  # one process: a loader process would hold a batch of its own
    runs, said = {}, []
    for mini_batch in bench.sizes.mini_batches:
        if bench.left() < 30 and not bench.options.tiny:
            said.append(f"mini-batches of {mini_batch}: no time left")
            continue
        try:
            with peer_runs.at_most(max(30, min(peer_runs.COMPILE_SECONDS, bench.left()))):
                run = peer_runs.train(
                    bench.options.base, dataset, settings, setting, 1, cached_loss(mini_batch)
                )
            runs[mini_batch] = run
            said.append(f"mini-batches of {mini_batch}: {run.seconds:.3f} s a step")
        except Exception as failure:  # whatever the peer's libraries raise
            said.append(f"mini-batches of {mini_batch}: {measured.told(failure, 120)}")
        bench.say(f"  peer, {said[-1]}")
    if not runs:
        return {"said": said}
    chosen = min(runs, key=lambda key: runs[key].seconds)
    run, own = runs[chosen], rounds[0]["large"]
    if run.tokens != own["tokens"]:
        raise NotMeasured(f"tokens a step differ: {run.tokens} of the peer, {own['tokens']}")
    apart = max(abs(a - b) / max(a, 0.2) for a, b in zip(run.losses, own["losses"]))
    return {
        "said": said,
        "mini-batch": chosen,
        "seconds": run.seconds,
        "peak_bytes": run.peak_bytes,
        "ratio": run.seconds / own["seconds"],
        "losses apart": apart,
    }


def memory(bench):
    """Peak memory and time a pair of one training step, against the batch."""
    bench.need(30)
    sizes, base = bench.sizes, bench.options.base
    rows = pairs(8, max(sizes.memory), sizes.large_words)
    found = []
    for batch in sizes.memory:
        data, _ = generated_texts.write_rows(bench.options.work, "memory", rows[:batch])
        dataset = peer_training.dataset_of(rows[:batch])
        settings = peer_training.Settings(
            batch_size=batch,
            max_steps=2,
            epochs=2,
            precision="bf16",
            device=bench.device,
            dropout=0.0,
            max_length=sizes.max_length,
        )
        for who in ("attune", "peer", "peer, cached loss"):
            row = {"program": who, "batch": batch}
            found.append(row)
            if bench.left() < 15 and not bench.options.tiny:
                row["said"] = "no time left"
                continue
            try:
                if who == "attune":
                    run, peak = bench.attune_run(base, data, settings)
                    row |= {
                        "peak_bytes": told(run, "peak_memory_bytes", max),
                        "device_peak_bytes": peak,
                        "seconds": attune_seconds(run, 1),
                    }
                else:
                    loss = cached_loss(sizes.mini_batches[0]) if "cached" in who else None
                    with peer_runs.at_most(max(30, min(100, bench.left()))):
                        run = peer_runs.train(
                            base, dataset, settings, peer_runs.SETTINGS[0], 1, loss
                        )
                    row |= {"peak_bytes": run.peak_bytes, "seconds": run.seconds}
            except torch.cuda.OutOfMemoryError:
                row["said"] = "out of memory"
            except Exception as failure:  # AttuneFailed, or whatever the peer's libraries raise
                row["said"] = measured.told(failure, 160)
            peer_runs.free(bench.device)
            bench.say(f"  {row}")
    return found
