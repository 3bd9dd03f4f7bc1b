"""Builds a precompiled charsmap (sentencepiece's double-array trie of rules, then their results) from a dictionary:
small ones, to ask `tokenizers` about its `Precompiled` normalizer and to make fixtures."""

import struct


def charsmap(rules):
    """rules: what is replaced (str or bytes, without NUL) -> by what."""
    encode = lambda value: value.encode() if isinstance(value, str) else value  # noqa: E731
    root = {}
    results = b""
    for key, value in sorted((encode(k), encode(v)) for k, v in rules.items()):
        node = root
        for byte in key:
            node = node.setdefault(byte, {})
        node[None] = len(results)
        results += value + b"\0"

    units, taken, bases = {0: 0}, {0}, set()
    waiting = [(0, root, 0)]  # position, node, label
    first_free = 1
    while waiting:
        position, node, label = waiting.pop()
        labels = [0 if byte is None else byte for byte in node]
        base = first_free
        while base in bases or any((base ^ byte) in taken for byte in labels):
            base += 1
        bases.add(base)
        offset = base ^ position
        assert offset < 1 << 21
        units[position] = label | offset << 10 | (256 if None in node else 0)
        for byte, child in node.items():
            at = base ^ (0 if byte is None else byte)
            taken.add(at)
            if byte is None:
                units[at] = 1 << 31 | child
            else:
                waiting.append((at, child, byte))
        while first_free in taken:
            first_free += 1
    size = (max(taken) // 256 + 1) * 256
    for i in range(size):  # a unit that is not used gets a label that leads to it from nowhere
        if i not in units:
            units[i] = next(label for label in range(1, 256) if i ^ label not in bases)
    blob = struct.pack(f"<{size}I", *(units[i] for i in range(size)))
    return struct.pack("<I", len(blob)) + blob + results
