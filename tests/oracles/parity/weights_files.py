"""The same damaged safetensors files to attune and to Python's safetensors: what one reads the other
reads, but where attune is stricter, and each of those reasons is named here.
"""

import collections
import json
import random
import struct
import subprocess
import tempfile
import pathlib

import safetensors

# What attune refuses on purpose and Python's reader lets pass, by a part of attune's message.
STRICTER = {
    "its header does not begin with '{'": "white space before the header; the format forbids it",
    "duplicate key": "a name twice: which tensor is meant is anybody's guess",
    "is not known": "element types that no weights of an encoder have (packed 4 and 6 bits, complex)",
    "expected {": "further keys beside dtype, shape and data_offsets, or values of other types",
    "expected an object of strings": "__metadata__ that is null",
    "expected a non-negative integer": "numbers written as 1.0 or 1e0",
    "control": "raw control characters in strings",
}
WORDS = [
    b'"F32"', b'"F64"', b'"BF16"', b'"U8"', b'"BOOL"', b'"F8_E4M3"', b'"C64"', b'"F4"', b"[2]", b"[0]", b"[]", b"[2,2]",
    b"[0,16]", b"[16,24]", b"0", b"1", b"16", b"-1", b"1.0", b"18446744073709551615", b" ", b"\n", b"null", b'"a"', b'"b"',
    b"{}", b",", b":", b'"__metadata__":{"k":"v"},', b"\xff", b"\\u0061", b"\t",
]


def _file(header, data):
    return struct.pack("<Q", len(header)) + header + data


def _good(draw):
    """A good file: up to four tensors, in any order of names, with or without metadata."""
    sizes = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I64": 8, "U8": 1, "BOOL": 1}
    header, end = {}, 0
    if draw.random() < 0.5:
        header["__metadata__"] = {"format": "pt"}
    for name in draw.sample(["a", "b", "c", "d"], draw.randrange(1, 5)):
        dtype = draw.choice(list(sizes))
        shape = [draw.randrange(0, 4) for _ in range(draw.randrange(0, 3))]
        begin, end = end, end + sizes[dtype] * _product(shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    separators = draw.choice([(",", ":"), (", ", ": ")])
    text = json.dumps(header, separators=separators).encode()
    return text + b" " * draw.choice([0, -len(text) % 8]), bytes(end)


def _product(shape):
    total = 1
    for size in shape:
        total *= size
    return total


def _mutated(draw):
    header, data = _good(draw)
    for _ in range(draw.choice([0, 1, 1, 1, 2, 3])):
        at = draw.randrange(len(header) + 1)
        length = draw.choice([0, 1, 1, 2, 5])
        digits = [i for i, c in enumerate(header) if chr(c).isdigit()]
        if draw.random() < 0.5 and digits:  # a number that means something else
            at, length = draw.choice(digits), 1
            word = str(draw.randrange(30)).encode()
        else:
            word = draw.choice([*WORDS, b"", bytes([draw.randrange(256)])])
        header = header[:at] + word + header[at + length :]
    if draw.random() < 0.1:
        data = data[: draw.randrange(len(data) + 1)] + bytes(draw.randrange(3))
    whole = _file(header, data)
    if draw.random() < 0.1:
        whole = whole[: draw.randrange(len(whole) + 1)]
    if draw.random() < 0.05:
        at = draw.randrange(min(8, len(whole)) or 1)
        whole = whole[:at] + bytes([draw.randrange(256)]) + whole[at + 1 :]
    return whole


def _peer_reads(contents):
    try:
        safetensors.deserialize(contents)
    except Exception as error:  # its own error type, and OverflowError from its numbers
        return False, f"{type(error).__name__}: {error}"
    return True, ""


def rows(table, context):
    probe = context.attune.binary.parent / "weights_probe"
    if not probe.exists():
        raise FileNotFoundError(f"{probe} is not built: cmake --build build/release")
    draw, count = random.Random(20261122), 4_000 if context.quick else 100_000
    reasons, looser, both, examples = collections.Counter(), 0, 0, []
    with tempfile.TemporaryDirectory(prefix="attune-weights-") as name:
        folder = pathlib.Path(name)
        for begin in range(0, count, 1000):
            files = [_mutated(draw) for _ in range(1000)]
            paths = [folder / f"{i}.safetensors" for i in range(1000)]
            for path, contents in zip(paths, files):
                path.write_bytes(contents)
            said = subprocess.run(
                [probe],
                input="".join(f"{path}\n" for path in paths),
                capture_output=True,
                text=True,
                errors="replace",
                check=True,
            ).stdout.splitlines()
            assert len(said) == len(files), "the probe answered another number of lines"
            for contents, line in zip(files, said):
                ours, (theirs, why) = line == "read", _peer_reads(contents)
                both += ours and theirs
                if ours and not theirs:
                    looser += 1
                    examples.append(f"{why}: {contents[:200]!r}")
                elif theirs and not ours:
                    reasons[next((r for r in STRICTER if r in line), f"not listed: {line[:300]}")] += 1
    for example in examples[:5]:
        table.remark(f"attune reads what safetensors refuses: {example}")
    unlisted = {reason: n for reason, n in reasons.items() if reason not in STRICTER}
    for reason in list(unlisted)[:5]:
        table.remark(f"attune refuses what safetensors reads, {reason}")
    for reason in STRICTER:
        if reasons[reason]:
            table.remark(f"stricter in {reasons[reason]} files: {STRICTER[reason]}")
    oracle = f"safetensors {safetensors.__version__}"
    cases = f"{count} files, {both} read by both"
    table.add("damaged safetensors: read here, refused there", oracle, cases, looser, 0)
    table.add(
        "damaged safetensors: refused here for a reason not listed",
        oracle,
        cases,
        sum(unlisted.values()),
        0,
        note=f"stricter on purpose in {sum(reasons.values()) - sum(unlisted.values())}",
    )
