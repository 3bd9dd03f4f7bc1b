#!/usr/bin/env python3
"""Writes tests/fixtures/json: what Python's own json module writes for texts, nesting and floats.

    tests/oracles/make_json_fixture.py
"""
import json
import pathlib
import platform
import random
import struct

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "json"

random.seed(20)
VALUE = {
    "python": platform.python_version(),
    "empty": {"list": [], "object": {}, "text": ""},
    "constants": [None, True, False],
    "whole": [0, -1, 2**63 - 1, -(2**63), 2**64 - 1],
    "floats": [0.0, -0.0, 1.0, 0.1, 1e15, 1e16, 123456789012345680.0, 1e22, 1e-4, 1e-5, 0.00012345,
               5e-324, 1.7976931348623157e308, 2e-5, 3.141592653589793],
    "ascii": "".join(map(chr, range(128))),
    "text": "gr\u00fc\u00df \u4e2d\u6587 \U0001f600 \u2028\u2029 \ufeff \uffff \U0010ffff /",
    "key \"quoted\" \u00e9\n": [[1, [2, [3, {"deep": [{}]}]]]],
}


def floats():
    special = [0, 1 << 63, 1, 0x000FFFFFFFFFFFFF, 0x0010000000000000, 0x7FEFFFFFFFFFFFFF]
    for exponent in range(-30, 30):
        for value in (10.0**exponent, 9.999999999999999 * 10.0**exponent, -1.5 * 10.0**exponent):
            special.append(struct.unpack("<Q", struct.pack("<d", value))[0])
    while len(special) < 2500:
        bits = random.getrandbits(64)
        if bits >> 52 & 0x7FF != 0x7FF:
            special.append(bits)
    for bits in special:
        yield [f"{bits:016x}", repr(struct.unpack("<d", struct.pack("<Q", bits))[0])]


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "input.json").write_text(json.dumps(VALUE, ensure_ascii=False), encoding="utf-8")
    for name, indent in (("indent_4", 4), ("indent_2", 2), ("one_line", None)):
        (FOLDER / f"{name}.json").write_text(json.dumps(VALUE, indent=indent), encoding="utf-8")
    (FOLDER / "floats.json").write_text(json.dumps(list(floats())), encoding="utf-8")
    print(f"Python {platform.python_version()} wrote {FOLDER.name}/")


if __name__ == "__main__":
    main()
