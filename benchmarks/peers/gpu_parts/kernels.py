"""The kernels that both programs run in training."""

import statistics

from parity import generated_texts, peer_training

from gpu_parts import devices, peer_runs
from gpu_parts.bench import lengths_of, pairs


def profiles(bench):
    """{program: (kernels or None, how)} of training at d=384."""
    bench.need(30)
    sizes, base = bench.sizes, bench.options.base
    steps = 6 if bench.options.tiny else 16
    lengths = lengths_of(
        base, [t for row in pairs(5, 256, sizes.passages) for t in row], sizes.max_length
    )
    batch = max(2, round(sizes.tokens / (2 * statistics.fmean(lengths))))
    batch = min(batch, 8) if bench.options.tiny else batch
    rows = pairs(6, batch * steps, sizes.passages)
    data, _ = generated_texts.write_rows(bench.options.work, "profile", rows)
    settings = peer_training.Settings(
        batch_size=batch,
        max_steps=steps,
        max_length=sizes.max_length,
        precision="bf16",
        device=bench.device,
    )
    setting = peer_runs.SETTINGS[0]
    run = peer_runs.train(
        base, peer_training.dataset_of(rows), settings, setting, steps - 3, profile=True
    )
    # The configuration that parity's launcher writes, started once more under the profiler.
    bench.attune_run(base, data, settings)
    config = max(bench.options.work.glob("[0-9]*.yaml"))
    command = [bench.attune.binary, "train", config, "--overwrite"]
    seconds = max(30, min(120, bench.left()))
    threads = bench.options.threads
    return {
        "peer": (run.kernels, "torch.profiler, the last 3 steps (SDPA)"),
        "attune": devices.profile(command, bench.options.work, threads, seconds),
    }
