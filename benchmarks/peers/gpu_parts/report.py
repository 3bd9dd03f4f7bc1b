"""The page of gpu.py."""

import measured
from gpu_parts import devices
from gpu_parts.peer_runs import DEEP


def spread_of(ratio, form=".2f"):
    return f"{ratio['median']:{form}} ({ratio['low']:{form}} to {ratio['high']:{form}})"


def mib(value):
    return "-" if value is None else f"{value / 2**20:.0f}"


def percent(value):
    return "-" if value is None else f"{value:.0%}"


RATIO, SHARE = ("{:g}", "{:.2f}"), ("{:.0%}", "{:.0%}")  # formats of a goal and of a value


class Goals:
    """The goals' table, row by row."""

    def __init__(self, judged):
        self.judged, self.rows = judged, []

    def add(self, what, goal, value, form, at_most=False):
        """goal None: no row. value: a number, or a sentence on why there is none."""
        if goal is None:
            return
        bound = f"{'<=' if at_most else '>='} {form[0].format(goal)}"
        if value is None or isinstance(value, str):
            self.rows.append((what, bound, "not measured", value or "attune does not tell it"))
            return
        met = value <= goal if at_most else value >= goal
        verdict = ("met" if met else "missed") if self.judged else "not judged (tiny form)"
        self.rows.append((what, bound, form[1].format(value), verdict))

    def table(self):
        return measured.table(("work", "goal", "measured", ""), self.rows)


def train_page(rows, goals):
    cells = []
    for row in rows:
        if "said" in row:
            cells.append((row["name"], row["said"], *["-"] * 9))
        else:
            loss = row["loss"]
            cells.append(
                (
                    row["name"],
                    f"{row['batch']} / {row['tokens']:.0f}",
                    spread_of(row["ratio"]),
                    *(f"{row['pairs/s'][who]:.0f}" for who in ("peer", "attune")),
                    *(f"{row['tokens/s'][who]:.0f}" for who in ("peer", "attune")),
                    " / ".join(percent(row["share"][who]) for who in ("peer", "attune")),
                    " / ".join(percent(row["padding"][who]) for who in ("peer", "attune")),
                    f"{mib(row['peak']['peer'])} / {mib(row['peak']['attune'])} "
                    f"({mib(row['peak']['attune, device'])})",
                    percent(row["graph hit rate"]),
                    f"{loss['peer']:.4f} / {loss['attune']:.4f}, "
                    f"{'within' if loss['within'] else 'outside'} {loss['spread']:.4f}",
                )
            )
        for kind, key, form in (("ratio", "goal", RATIO), ("share", "share goal", SHARE)):
            value = row.get("said")
            if value is None:
                value = row["ratio"]["median"] if kind == "ratio" else row["share"]["attune"]
            what = f"full finetune, {row['name']}" + (", MFU" if kind == "share" else "")
            goals.add(what, row[key], value, form)
    heads = ("training step, bf16", "pairs / tokens a step", "speed-up, median (least to most)")
    heads += ("peer, pairs/s", "attune, pairs/s", "peer, real tokens/s", "attune, real tokens/s")
    heads += ("MFU, peer / attune", "padding, peer / attune")
    heads += ("peak MiB, peer / attune (device)", "graph hit rate", "loss, peer / attune, spread")
    return [
        "## Training",
        "",
        *measured.table(heads, cells),
        "",
        "A speed-up is the peer's time over attune's in the same round, the median. MFU: the work "
        "of the real tokens (benchmarks/peers/gpu_parts/models.py) against the rate of the product "
        "below. Peaks: of tensors as each program counts them, and in brackets what the driver saw "
        "above the rest "
        "(attune's whole process, CUDA's own memory included). A dash: the program does not tell. "
        "Losses: mean of the second half of the steps, over the seeds; within: they differ by less "
        "than the spread of the peer's own seeds.",
        "",
    ]


def tried_page(tried):
    cells = [
        (row, one.name, one.said if one.seconds is None else f"{1000 * one.seconds:.1f} ms")
        for row, one in tried
    ]
    return [
        "## The peer's settings",
        "",
        "Each tried once before; the fastest is the one compared with, with dropout as without it. "
        f"torch.compile: of the whole encoder, of each layer where there are more than {DEEP}.",
        "",
        *measured.table(("row", "setting", "a step (encode: all texts)"), cells),
        "",
    ]


def large_page(result, goals):
    ratio, loss = result.get("said"), result.get("said")
    lines = ["## A large batch", ""]
    if "said" in result:
        lines += [f"Not measured: {result['said']}.", ""]
    else:
        ratio = result["ratio"]["median"]
        loss = result["loss memory"]
        loss = None if loss is None else loss / 2**30
        peer = result["peer"]
        beside = "The peer's cached loss: " + "; ".join(peer["said"]) + "."
        if "ratio" in peer:
            beside += (
                f" attune's step is {peer['ratio']:.2f} times as fast as the better one (peak "
                f"{mib(peer['peak_bytes'])} MiB), losses differ by {peer['losses apart']:.2g} of "
                "max(loss, 0.2)."
            )
        lines += [
            f"{result['pairs']} pairs in chunks of {result['chunk']} tokens take "
            f"{spread_of(result['ratio'])} times the time a token of plain batches of "
            f"{result['plain pairs']} pairs. Their peak memory is above that of {result['beside']} "
            f"pairs in the same chunks by {mib(result['loss memory'])} MiB: loss, vectors and "
            "tokens of the batch together.",
            "",
            beside,
            "",
        ]
    goals.add("large batch, time a token of a plain batch", 1.4, ratio, RATIO, at_most=True)
    goals.add("large batch, memory of the loss, GiB", 2, loss, RATIO, at_most=True)
    return lines


def memory_page(rows):
    cells = [
        (row["program"], row["batch"], row["said"], "-", "-")
        if "said" in row
        else (
            row["program"],
            row["batch"],
            mib(row["peak_bytes"]),
            mib(row.get("device_peak_bytes")),
            f"{1000 * row['seconds'] / row['batch']:.3f}",
        )
        for row in rows
    ]
    heads = ("program", "pairs in the batch", "peak of tensors, MiB", "of the device, MiB")
    return ["## Memory against the batch", "", *measured.table((*heads, "ms a pair"), cells), ""]


def adapter_page(result, goals):
    goal = "adapter, million pairs/s after embedding"
    if "said" in result:
        goals.add(goal, 10, result["said"], RATIO)
        return ["## Adapter", "", f"Not measured: {result['said']}.", ""]
    speed = result["pairs/s"]
    goals.add(goal, 10, speed["attune"] / 1e6, RATIO)
    return [
        "## Adapter",
        "",
        f"A linear adapter, {result['pairs']} pairs of {result['width']} numbers, batches of "
        f"{result['batch']}, after embedding: attune {speed['attune']:.0f} pairs/s (whole runs "
        f"that differ by these epochs; by its steps' own seconds "
        f"{result['step alone, pairs/s']:.0f}), "
        f"LlamaIndex's loop on the same vectors, cached for it on the device, {speed['peer']:.0f}: "
        f"{spread_of(result['ratio'])} times as fast. As it is, embedding each text by a call of "
        f"its own in every epoch, its engine comes to {result['engine pairs/s']:.0f} pairs/s at "
        f"most. Losses differ by {result['losses apart']:.2g} of max(loss, 0.2) at worst.",
        "",
    ]


def encode_page(rows, goals):
    cells = []
    for row in rows:
        value = row.get("said")
        if value is None:
            value = row["ratio"]["median"]
            cells.append(
                (
                    f"{row['name']}, {row['texts']} texts, {row['tokens']} tokens",
                    row["setting"],
                    spread_of(row["ratio"]),
                    *(f"{row['tokens/s'][who]:.0f}" for who in ("peer", "attune")),
                    percent(row["share"]),
                    f"{row['apart']:.1e}",
                )
            )
        else:
            cells.append((row["name"], value, *["-"] * 5))
        goals.add(f"encode, {row['name']}", 2, value, RATIO)
    heads = ("embedding, bf16", "the peer's setting", "speed-up, median (least to most)")
    heads += ("peer, tokens/s", "attune, tokens/s", "attune, share of the roofline")
    return ["## Embedding", "", *measured.table((*heads, "1 - cosine, worst"), cells), ""]


def profile_page(found, shown=15):
    lines = ["## Kernels of training at d=384", ""]
    for who, (kernels, how) in found.items():
        lines += [f"{who}: {how}.", ""]
        if not kernels:
            continue
        total = sum(ms for _, _, ms in kernels)
        cells = [
            (f"`{devices.short(name)}`", calls, f"{ms:.3f}", f"{ms / total:.1%}")
            for name, calls, ms in kernels[:shown]
        ]
        rest = kernels[shown:]
        if rest:
            spent = sum(ms for _, _, ms in rest)
            calls = sum(c for _, c, _ in rest)
            cells.append((f"{len(rest)} others", calls, f"{spent:.3f}", f"{spent / total:.1%}"))
        lines += [*measured.table(("kernel", "calls", "total ms", "share"), cells), ""]
    return lines


def page(options, facts, bench, found):
    goals = Goals(judged=not options.tiny)
    body = []
    if "train" in found:
        body += train_page(found["train"], goals)
    if "large" in found:
        body += large_page(found["large"], goals)
        curve = found.get("memory", {"said": "the run was stopped before"})
        if isinstance(curve, list):
            body += memory_page(curve)
        else:
            body += [f"Memory against the batch: not measured: {curve['said']}.", ""]
    if "adapter" in found:
        body += adapter_page(found["adapter"], goals)
    if "encode" in found:
        body += encode_page(found["encode"], goals)
    if bench.tried:
        body += tried_page(bench.tried)
    if "profile" in found:
        said = found["profile"].get("said")
        body += [f"No profile: {said}.", ""] if said else profile_page(found["profile"])
    form = "the tiny form, which only shows that it runs; " if options.tiny else ""
    return [
        f"# On the GPU: attune against its peers ({facts['date']})",
        "",
        f"{form}{options.rounds} rounds at most, in which the programs took turns, each round with "
        "a seed of its own. Texts are generated words of mixed lengths.",
        "",
        "## Goals",
        "",
        *goals.table(),
        "",
        *body,
        "## Where and how",
        "",
        *measured.table(("what", "value"), facts.items()),
    ]


def measurements(found):
    """As `attune bench compare` reads them."""
    every = [(f"training step, {row['name']}", row) for row in found.get("train", [])]
    every += [(f"embedding, {row['name']}", row) for row in found.get("encode", [])]
    every += [("adapter step", found.get("adapter", {"said": ""}))]
    return [
        {"name": name, "attune": row["seconds"]["attune"], "peer": row["seconds"]["peer"]}
        for name, row in every
        if "said" not in row
    ]
