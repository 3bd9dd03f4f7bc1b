"""What gpu.py asks of the device itself: memory that the driver calls used, and the kernels that a
program ran, by whatever profiler the machine has.
"""

import csv
import io
import os
import re
import shutil
import subprocess
import threading

import torch


class Memory:
    """With Memory(device) as memory: memory.peak_bytes is the most that was used on the GPU during
    the block above what was used at its start, by any process; None where there is no GPU. It is
    looked at every 10 ms, so a shorter peak may be missed.
    """

    def __init__(self, device):
        self.peak_bytes = None
        self._on = device == "cuda"
        self._stop = threading.Event()

    def _used(self):
        left, total = torch.cuda.mem_get_info()
        return total - left

    def _watch(self):
        while not self._stop.wait(0.01):
            self.peak_bytes = max(self.peak_bytes, self._used() - self._start)

    def __enter__(self):
        if self._on:
            torch.cuda.empty_cache()
            self._start, self.peak_bytes = self._used(), 0
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_):
        if self._on:
            self._stop.set()
            self._thread.join()


UNITS = {"ns": 1e-6, "nsecond": 1e-6, "us": 1e-3, "usecond": 1e-3, "ms": 1, "msecond": 1, "s": 1e3}
DURATION = "gpu__time_duration.sum"


def _summed(kernels):
    sums = {}
    for name, calls, milliseconds in kernels:
        before = sums.get(name, (0, 0.0))
        sums[name] = (before[0] + calls, before[1] + milliseconds)
    return sorted(((n, c, ms) for n, (c, ms) in sums.items()), key=lambda kernel: -kernel[2])


def read_nsight_compute(text):
    """[(name, calls, ms)] of `ncu --csv`, one metric a line or one kernel a line."""
    lines = text.splitlines()
    heads = [i for i, line in enumerate(lines) if line.startswith('"ID"')]
    if not heads:
        raise ValueError(f"ncu wrote no table: {' '.join(lines[-3:])[-200:]}")
    rows = list(csv.DictReader(io.StringIO("\n".join(lines[heads[0] :]))))
    if "Metric Name" in rows[0]:
        found = [
            (row["Kernel Name"], row["Metric Value"], row["Metric Unit"])
            for row in rows
            if row["Metric Name"] == DURATION
        ]
    else:  # the first row holds the units
        unit = rows[0][DURATION]
        found = [(row["Kernel Name"], row[DURATION], unit) for row in rows[1:]]
    return _summed((n, 1, float(value.replace(",", "")) * UNITS[u]) for n, value, u in found)


def read_nsight_systems(text):
    """[(name, calls, ms)] of `nsys stats --report cuda_gpu_kern_sum --format csv`."""
    lines = text.splitlines()
    heads = [i for i, line in enumerate(lines) if line.startswith("Time (%)")]
    if not heads:
        raise ValueError(f"nsys wrote no table: {' '.join(lines[-3:])[-200:]}")
    rows = csv.DictReader(io.StringIO("\n".join(lines[heads[0] :])))
    return _summed(
        (row["Name"], int(row["Instances"]), float(row["Total Time (ns)"]) / 1e6) for row in rows
    )


def _run(command, environment, seconds):
    done = subprocess.run(
        [str(word) for word in command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-200:]
        raise ValueError(
            f"{command[0]} ended with code {done.returncode}: {' '.join(said.split())}"
        )
    return done.stdout


def profile(command, work, threads, seconds, skip=1000, count=1500):
    """(kernels, how) of a command: [(name, calls, ms)] by nsys or ncu, or None and why not. ncu is
    shown the `count` kernels after the first `skip`, one by one.
    """
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    if not (shutil.which("nsys") or shutil.which("ncu")):
        return None, "no profiler there (neither nsys nor ncu)"
    try:
        if shutil.which("nsys"):
            place = work / "profile.nsys-rep"
            _run(["nsys", "profile", "-o", place, *command], environment, seconds)
            stats = ["nsys", "stats", "--report", "cuda_gpu_kern_sum", "--format", "csv", place]
            return read_nsight_systems(_run(stats, environment, seconds)), "nsys, the whole run"
        place = work / "profile.csv"
        options = ["--csv", "--log-file", place, "--metrics", DURATION, "--clock-control", "none"]
        options += ["--launch-skip", skip, "--launch-count", count, "--target-processes", "all"]
        _run(["ncu", *options, *command], environment, seconds)
        kernels = read_nsight_compute(place.read_text(encoding="utf-8"))
        return kernels, f"ncu, {count} kernels at most after the first {skip}, one at a time"
    except (ValueError, KeyError, OSError, subprocess.TimeoutExpired) as failure:
        return None, f"the profiler failed: {' '.join(str(failure).split())[-200:]}"


def short(name):
    """A kernel's name without return type, arguments and nested template arguments."""
    name = re.sub(r"^(void|static|inline) ", "", name)
    name = name.replace("(anonymous namespace)::", "")
    depth, kept = 0, []
    for letter in name:
        depth += letter == "<"
        if depth < 2:
            kept.append(letter)
        depth -= letter == ">"
    name = re.sub(r"\(.*", "", "".join(kept)).replace("|", "/")
    return name[:90]
