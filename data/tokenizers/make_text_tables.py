#!/usr/bin/env python3
"""Writes text_tables.cpp: what the peer's normalizers and pre-tokenizers make of each character.

    .venv/bin/python data/tokenizers/make_text_tables.py

The peer's rules come from several Unicode tables of different ages (its regular expressions know
Unicode 16, its NFKC Unicode 12), so nothing is taken from a Unicode release: every code point is
put to the peer itself. The script then checks what text_tables.h relies on and fails loudly where a
new peer breaks it.
"""

import os
import sys

import tokenizers
from make_unicode_tables import ALL, HANGUL, combining_classes, probe, table
from tokenizers import Regex, normalizers, pre_tokenizers

CATEGORIES = ("Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp "
              "Cc Cf Cs Co Cn").split()
WORD, SPACE, HAN, WHITESPACE_WORD, NUMERIC, MARK = (1 << i for i in range(5, 11))
TEXT = "".join(map(chr, [0, *ALL]))


def code_points(pieces):
    """Code points under the (text, (begin, end)) pieces of TEXT."""
    return {ord(c) for _, (begin, end) in pieces for c in TEXT[begin:end]}


def members(pattern):
    cut = pre_tokenizers.Split(Regex(f"(?:{pattern})+"), "removed", invert=True)
    return code_points(cut.pre_tokenize_str(TEXT))


def runs_with(cut, first_is_member):
    """Members of a class whose runs the pre-tokenizer keeps apart from those of the others."""
    return code_points(p for p in cut.pre_tokenize_str(TEXT) if first_is_member(p[0][0]))


def classes():
    values = {}
    for number, name in enumerate(CATEGORIES):
        if name == "Cs":
            values.update((c, number) for c in range(0xD800, 0xE000))
            continue
        for c in members(rf"\p{{{name}}}"):
            assert c not in values, hex(c)
            values[c] = number
    assert len(values) == 0x110000
    for pattern, union in ((r"\p{L}", "L"), (r"\p{M}", "M"), (r"\p{N}", "N"), (r"\p{P}", "P"),
                           (r"\p{S}", "S"), (r"\p{Z}", "Z"), (r"\d", "Nd")):
        assert members(pattern) == {
            c for c, v in values.items() if CATEGORIES[v].startswith(union)}, pattern
    other_numbers = {c for c, v in values.items() if CATEGORIES[v] == "No"}
    assert members(r"[\w]") == members(r"\w") - other_numbers  # pattern_parser.cpp relies on it
    spaces = members(r"\s")
    split = pre_tokenizers.WhitespaceSplit()
    assert code_points(split.pre_tokenize_str(TEXT)) == {0, *ALL} - spaces
    strip = normalizers.Strip()
    for c in ALL:
        assert (strip.normalize_str(chr(c)) == "") == (c in spaces), hex(c)
    whitespace = pre_tokenizers.Whitespace()
    words = runs_with(whitespace, lambda c: len(whitespace.pre_tokenize_str("a" + c)) == 1)
    digits = pre_tokenizers.Digits(individual_digits=False)
    numeric = runs_with(digits, lambda c: len(digits.pre_tokenize_str("a" + c)) == 2)
    kept = normalizers.StripAccents().normalize_str(TEXT)
    for flag, found in ((WORD, members(r"\w")), (SPACE, spaces), (HAN, members(r"\p{Han}")),
                        (WHITESPACE_WORD, words), (NUMERIC, numeric),
                        (MARK, {0, *ALL} - set(map(ord, kept)))):
        for c in found:
            values[c] |= flag
    ranges = []
    for c in range(0x110000):
        if not ranges or ranges[-1][1] != values[c]:
            ranges.append((c, values[c]))
    return ranges


def decompositions():
    """(rows, pool of characters, {character: NFD})"""
    canonical = probe(normalizers.NFD().normalize_str)
    compatible = probe(normalizers.NFKD().normalize_str)
    rows, pool, places = [], [], {}
    for c in ALL:
        if c == 0x0A or c in HANGUL or compatible[c] == chr(c):
            assert c == 0x0A or c in HANGUL or canonical[c] == chr(c), hex(c)
            continue
        cells = []
        for to in (canonical[c], compatible[c]):
            if to == chr(c):
                cells.append((0, 0))
                continue
            if to not in places:
                places[to] = len(pool)
                pool += map(ord, to)
            cells.append((places[to], len(to)))
        rows.append((c, cells[0][0], cells[1][0], cells[0][1], cells[1][1]))
    assert len(pool) < 1 << 16 and all(row[3] < 256 and row[4] < 256 for row in rows)
    return rows, pool, canonical


def compositions(canonical):
    composed = probe(normalizers.NFC().normalize_str)
    compatible = probe(normalizers.NFKC().normalize_str)
    compatible_parts = probe(normalizers.NFKD().normalize_str)
    nfc = normalizers.NFC().normalize_str
    rows = []
    for c in ALL:
        if c == 0x0A:
            continue
        assert compatible[c] == nfc(compatible_parts[c]), hex(c)
        if c in HANGUL or canonical[c] == chr(c):
            assert composed[c] == chr(c), hex(c)
        elif composed[c] == chr(c):
            parts = canonical[c]
            first = nfc(parts[:-1])
            assert len(first) == 1 and nfc(first + parts[-1]) == chr(c), hex(c)
            rows.append((ord(first), ord(parts[-1]), c))
    return sorted(rows)


def main():
    combining, _ = combining_classes()
    ranges = []
    for c, value in sorted(combining.items()):
        if ranges and ranges[-1][1] == c - 1 and ranges[-1][2] == value:
            ranges[-1][1] = c
        else:
            ranges.append([c, c, value])
    flags = classes()
    rows, pool, canonical = decompositions()
    pairs = compositions(canonical)

    def cells(*values):
        return "{" + ", ".join(f"0x{v:X}" for v in values) + "}"

    text = f"""// Generated by make_text_tables.py from tokenizers {tokenizers.__version__} \
(Python {sys.version.split()[0]}). Do not edit.
#include "data/tokenizers/text_tables.h"

namespace attune::text_tables {{

// clang-format off
"""
    for kind, name, values in (
            ("ClassRange", "kClasses", [cells(*row) for row in flags]),
            ("char32_t", "kDecomposed", [f"0x{c:X}" for c in pool]),
            ("Decomposition", "kDecompositions", [cells(*row) for row in rows]),
            ("Composition", "kCompositions", [cells(*row) for row in pairs]),
            ("CombiningRange", "kCombining", [cells(*row) for row in ranges])):
        text += table(kind, name, values) + "\n"
    text += "// clang-format on\n\n}  // namespace attune::text_tables\n"
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "text_tables.cpp")
    with open(path, "w", encoding="ascii") as out:
        out.write(text)
    print(f"{path}: {len(text)} bytes, {len(flags)} class ranges, {len(rows)} decompositions of "
          f"{len(pool)} characters, {len(pairs)} compositions, {len(ranges)} combining ranges")


if __name__ == "__main__":
    main()
