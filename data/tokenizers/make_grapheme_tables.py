#!/usr/bin/env python3
"""Writes grapheme_tables.cpp: what each character is to the peer's grapheme clusters.

    .venv/bin/python data/tokenizers/make_grapheme_tables.py

The classes are those of the `regex` package (Unicode Standard Annex 29). The peer has a Unicode table of its own,
of another release, which shows through one thing alone: its `Precompiled` normalizer looks for a rule for a whole cluster where that is
shorter than six bytes. So every code point is put to the peer in small texts whose answers tell its class, with
charsmaps made for the purpose; the script fails where an answer is not that of the table.
"""

import os
import sys

import regex
import tokenizers
from tokenizers import normalizers

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "oracles"))
from charsmap_bytes import charsmap  # noqa: E402

CLASSES = ["Other", "CR", "LF", "Control", "Extend", "ZWJ", "Regional_Indicator", "Prepend", "SpacingMark", "L", "V",
           "T", "LV", "LVT", "Pictographic"]
CONJUNCT = ["None", "Consonant", "Linker", "Extend"]
ACUTE = "\u0301"  # Extend, two bytes
KA, VIRAMA = "\u0915", "\u094d"
ALL = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
SYLLABLES = range(0xAC00, 0xD7A4)  # computed: characters come in blocks of one LV and 27 LVT


def classes():
    everything = "".join(map(chr, ALL))
    found = {}
    for number, name in enumerate(CLASSES[1:-1], 1):
        for char in regex.findall(r"\p{GCB=%s}" % name, everything):
            found[ord(char)] = number
    for char in regex.findall(r"\p{ExtPict}", everything):
        assert ord(char) not in found, hex(ord(char))
        found[ord(char)] = CLASSES.index("Pictographic")
    conjunct = {}
    for number, name in enumerate(CONJUNCT[1:], 1):
        for char in regex.findall(r"\p{InCB=%s}" % name, everything):
            conjunct[ord(char)] = number
    for c in SYLLABLES:
        assert found.pop(c) == CLASSES.index("LV" if (c - 0xAC00) % 28 == 0 else "LVT")
    # Characters that are newer than the peer's table.
    letter = normalizers.Precompiled(charsmap({"a": "!"}))
    new = [c for c, number in found.items() if CLASSES[number] in ("Extend", "SpacingMark", "ZWJ")
           and letter.normalize_str("a" + chr(c)) != "!"]
    print(len(new), "marks are newer than the peer:", " ".join(f"U+{c:04X}" for c in sorted(new)))
    return {c: found.get(c, 0) | conjunct.get(c, 0) << 4 for c in {*found, *conjunct} - {*new}}


def joined(text, key):
    """Whether the key, found in a text that ends in an accent, stands in a cluster of six bytes or more: then it is
    replaced alone and the accent stays; in a shorter cluster the rule replaces the accent too."""
    answer = normalizers.Precompiled(charsmap({key: "!"})).normalize_str(text)
    assert "!" in answer, (text, key, answer)
    return answer.endswith(ACUTE)


def check(table):
    name = lambda c: CLASSES[table.get(c, 0) & 15]  # noqa: E731
    conjunct = lambda c: CONJUNCT[table.get(c, 0) >> 4]  # noqa: E731
    letter = normalizers.Precompiled(charsmap({"a": "!"}))
    ka = normalizers.Precompiled(charsmap({KA: "!"}))
    copyright = normalizers.Precompiled(charsmap({"\u00a9": "!"}))
    wrong = []

    def expect(c, what, answer, expected):
        if answer != expected:
            wrong.append(f"U+{c:04X} {name(c)}, {conjunct(c)}: {what} is {answer}")

    for c in ALL:
        if c in SYLLABLES:
            continue
        char, size = chr(c), len(chr(c).encode())
        if c not in (0x61, 0):
            extends = letter.normalize_str("a" + char) == "!"
            expect(c, "extends", extends, name(c) in ("Extend", "ZWJ", "SpacingMark"))
            if size > 1:  # a cluster that starts with char has no rule at its start
                prepends = letter.normalize_str(char + "a" + ACUTE).endswith(ACUTE)
                expect(c, "prepends", prepends, name(c) == "Prepend")
            if size < 4:
                own = charsmap({char: "!"})
                alone = normalizers.Precompiled(own).normalize_str(char + ACUTE).endswith(ACUTE)
                expect(c, "controls", alone, name(c) in ("Control", "CR", "LF"))
        if size == 3 and name(c) not in ("Extend", "ZWJ", "SpacingMark", "Control"):
            expect(c, "is a consonant", joined(KA + VIRAMA + char + ACUTE, char), conjunct(c) == "Consonant")
            expect(c, "is pictographic", joined("\u00a9\u200d" + char + ACUTE, char), name(c) == "Pictographic")
        if name(c) in ("Extend", "ZWJ", "SpacingMark"):
            links = ka.normalize_str(KA + char + KA + ACUTE).endswith(ACUTE)
            expect(c, "links", links, conjunct(c) == "Linker")
            between = ka.normalize_str(KA + VIRAMA + char + KA + ACUTE).endswith(ACUTE)
            expect(c, "may stand behind a linker", between, conjunct(c) in ("Extend", "Linker"))
            between = copyright.normalize_str("\u2603" + char + "\u200d\u00a9" + ACUTE).endswith(ACUTE)
            expect(c, "may stand before a joiner", between, name(c) == "Extend")
    if wrong:
        sys.exit("\n".join([*wrong[:40], f"{len(wrong)} answers of the peer are not the table's"]))


def main():
    table = classes()
    check(table)
    rows, before = [], 0
    for c in range(0x110000):
        if table.get(c, 0) != before:
            before = table.get(c, 0)
            rows.append(f"{{0x{c:X}, 0x{before:X}}},")
    lines, line = [], " "
    for row in rows:
        if len(line) + len(row) + 1 > 100:
            lines.append(line)
            line = " "
        line += " " + row
    lines.append(line)
    with open(os.path.join(HERE, "grapheme_tables.cpp"), "w", encoding="ascii") as file:
        file.write(f"// Generated by make_grapheme_tables.py from regex {regex.__version__}, checked against tokenizers "
                   f"{tokenizers.__version__}.\n// Do not edit.\n"
                   '#include "data/tokenizers/graphemes.h"\n\nnamespace attune::grapheme_tables {\n\n'
                   "// clang-format off\nconst Range kRanges[] = {\n" + "\n".join(lines) +
                   "\n};\n// clang-format on\nconst std::size_t kRangesSize = sizeof(kRanges) / sizeof(kRanges[0]);\n\n"
                   "}  // namespace attune::grapheme_tables\n")
    print(len(rows), "ranges")


if __name__ == "__main__":
    main()
