#!/usr/bin/env python3
"""Writes unicode_tables.cpp: what the peer's BERT normaliser and pre-tokeniser do to each character.

    .venv/bin/python data/tokenizers/make_unicode_tables.py

The peer's rules come from three Unicode tables of different ages, so nothing is taken from a
Unicode release: every code point is put to the peer itself, one switch of BertNormalizer at a time,
BertPreTokenizer, and the added-token matcher (for its idea of a word character). The script then
checks what unicode_tables.h relies on and fails loudly where a new peer breaks it.
"""

import os
import sys
import unicodedata

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

ALL = [c for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000]
HANGUL = range(0xAC00, 0xD7A4)

REMOVED, SPACE, CHINESE, PUNCTUATION, WORD, NONSTARTER, DROPPED = (1 << i for i in range(7))


def normalizer(**switches):
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**off, **switches})


def probe(ask, before="\n", after="\n", chunk=20000):
    """What becomes of each character between two line feeds, asked in a few long strings."""
    result = {}
    for start in range(0, len(ALL), chunk):
        part = [c for c in ALL[start : start + chunk] if c != 0x0A]
        answer = ask("\n".join(before + chr(c) + after for c in part))
        pieces = answer.split("\n")
        stride = (before + after).count("\n") + 1
        assert len(pieces) == len(part) * stride, (len(pieces), len(part), stride)
        for i, c in enumerate(part):
            result[c] = pieces[i * stride + stride // 2]
    return result


def character_flags(combining, changes):
    cleaned = {}  # asked one by one: clean_text maps the separator too
    clean = normalizer(clean_text=True).normalize_str
    spaced = probe(normalizer(handle_chinese_chars=True).normalize_str)
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    matcher = Tokenizer(models.WordLevel({"a": 0, "m": 1}, unk_token="a"))
    matcher.add_tokens([AddedToken("m", single_word=True, normalized=False)])
    flags = {0: REMOVED}
    for c in ALL:
        char = chr(c)
        cleaned[c] = clean(char)
        flag = 0
        if cleaned[c] == "":
            flag |= REMOVED
        elif cleaned[c] == " ":
            flag |= SPACE
        else:
            assert cleaned[c] == char, hex(c)
        pieces = [piece for piece, _ in split("a" + char + "a")]
        if pieces == ["a", "a"]:
            # clean_text removes some white space (none today); what splits is what counts here.
            assert flag & SPACE or flag & REMOVED, hex(c)
            flag |= SPACE
        elif pieces == ["a", char, "a"]:
            flag |= PUNCTUATION
        else:
            assert pieces == ["a" + char + "a"] and not flag & SPACE, hex(c)
        if c != 0x0A and spaced[c] != char:
            assert spaced[c] == " " + char + " ", hex(c)
            flag |= CHINESE
        before = 1 not in matcher.encode(char + "m").ids
        after = 1 not in matcher.encode("m" + char).ids
        assert before == after or char == "m", hex(c)
        if before:
            flag |= WORD
        if combining.get(c, 0):
            flag |= NONSTARTER
        if changes.get(c) == "":
            flag |= DROPPED
        flags[c] = flag
    return flags


def combining_classes():
    """Canonical combining classes, seen from which neighbours NFD swaps a character with."""
    nfd = normalizers.NFD().normalize_str
    decomposed = probe(nfd)
    references = {}
    for c in ALL:
        value = unicodedata.combining(chr(c))
        known = value == 240 or nfd("\u0345" + chr(c)) == chr(c) + "\u0345"  # 0345: the highest
        if value and known and decomposed.get(c) == chr(c):
            references.setdefault(value, chr(c))
    values = sorted(references)
    for low, high in zip(values, values[1:]):
        assert nfd(references[high] + references[low]) == references[low] + references[high]
        assert nfd(references[low] + references[high]) == references[low] + references[high]
    lowest, highest = references[values[0]], references[values[-1]]
    classes = {}
    for c in ALL:
        char = chr(c)
        if decomposed.get(c, char) != char:
            continue
        if nfd(highest + char) == highest + char and nfd(char + lowest) == char + lowest:
            continue
        above = next((v for v in values if nfd(char + references[v]) == char + references[v]), None)
        assert above is not None, hex(c)
        assert nfd(references[above] + char) == references[above] + char, hex(c)
        classes[c] = above
    return classes, {c: d for c, d in decomposed.items() if d != chr(c)}


def stripped(classes, decomposed):
    """Characters that strip_accents changes, and which of them act as a nonstarter."""
    answer = probe(normalizer(strip_accents=True).normalize_str)
    changes, nonstarters = {}, dict(classes)
    for c, kept in answer.items():
        full = decomposed.get(c, chr(c))
        if c in HANGUL:
            s = c - 0xAC00
            jamo = [0x1100 + s // 588, 0x1161 + s % 588 // 28] + ([0x11A7 + s % 28] if s % 28 else [])
            assert kept == full == "".join(map(chr, jamo)), hex(c)
            continue
        starters = [i for i, d in enumerate(full) if ord(d) not in classes]
        if not starters:  # the whole of it takes part in the ordering of its neighbours
            if c in decomposed:
                nonstarters[c] = 255
                assert kept == "", hex(c)
        else:  # what is kept is not reordered across a starter that is dropped
            assert starters[0] == 0, hex(c)
            assert not [d for d in full if ord(d) in classes and d in kept] or len(starters) == 1
        assert len(kept) <= 3, hex(c)
        if kept != chr(c):
            changes[c] = kept
    ordered = {c: v for c, v in classes.items() if answer[c] != ""}
    return changes, ordered, nonstarters


def lowercase():
    """(first, last, stride, lower case of the first) for runs, in order."""
    answer = probe(normalizer(lowercase=True).normalize_str)
    long = {c: low for c, low in answer.items() if len(low) != 1}
    assert long == {0x130: "i\u0307"}, long
    runs = []
    for c in (c for c in sorted(answer) if c >= 0x80 and c not in long and answer[c] != chr(c)):
        low = ord(answer[c])
        if runs and low - c == runs[-1][3] - runs[-1][0]:
            first, last, stride, to = runs[-1]
            step = c - last
            if step <= 2 and (first == last or step == stride):
                runs[-1] = (first, c, step, to)
                continue
        runs.append((c, c, 1, low))
    return runs


def ranges(flags):
    result = []
    for c in range(0x110000):
        flag = flags.get(c, 0)
        if not result or result[-1][1] != flag:
            result.append((c, flag))
    return result


def table(kind, name, rows):
    lines, line = [], " "
    for row in rows:
        if len(line) + len(row) + 2 > 100:
            lines.append(line)
            line = " "
        line += " " + row + ","
    body = "\n".join(lines + [line])
    return f"const {kind} {name}[] = {{\n{body}\n}};\nconst std::size_t {name}Size = {len(rows)};\n"


def main():
    classes, decomposed = combining_classes()
    changes, ordered, nonstarters = stripped(classes, decomposed)
    flags = character_flags(nonstarters, changes)

    def numbers(*values):
        return "{" + ", ".join(f"0x{v:X}" for v in values) + "}"

    text = f"""// Generated by make_unicode_tables.py from tokenizers {tokenizers.__version__} \
(Python {sys.version.split()[0]}). Do not edit.
#include "data/tokenizers/unicode_tables.h"

namespace attune::unicode_tables {{

// clang-format off
"""
    text += table("FlagRange", "kFlags", [numbers(c, f) for c, f in ranges(flags)])
    text += "\n" + table(
        "Stripped", "kStripped",
        [f"{{0x{c:X}, {numbers(*map(ord, kept))}}}" for c, kept in sorted(changes.items()) if kept])
    text += "\n" + table(
        "Ordered", "kOrdered", [f"{{0x{c:X}, {v}}}" for c, v in sorted(ordered.items())])
    text += "\n" + table(
        "LowerRun", "kLowerRuns",
        [f"{{0x{a:X}, 0x{b:X}, {s}, 0x{to:X}}}" for a, b, s, to in lowercase()])
    text += "// clang-format on\n\n}  // namespace attune::unicode_tables\n"
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "unicode_tables.cpp")
    with open(path, "w", encoding="ascii") as out:
        out.write(text)
    print(f"{path}: {len(text)} bytes, {len(ranges(flags))} flag ranges, {len(changes)} stripped, "
          f"{len(ordered)} ordered, {len(lowercase())} runs of lower case")


if __name__ == "__main__":
    main()
