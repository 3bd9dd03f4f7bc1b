#!/usr/bin/env python3
"""Checks that the rooms are used in one direction only, and what may be used in which room.

    apps -> pipeline -> trainer -> retrieval -> models -> data -> core     kernels -> nothing

An arrow may be followed over several rooms, never against its direction; models, trainer and retrieval
also use kernels. Prints file:line for every include or word against the rules and exits with 1.

    scripts/check_arrows.py [ROOT]          check a tree, by default the one this script stands in
    scripts/check_arrows.py --self-test     check that planted violations are found
"""
import pathlib
import re
import sys
import tempfile

CHAIN = ["core", "data", "models", "retrieval", "trainer", "pipeline", "apps"]
MAY_USE = {room: set(CHAIN[: i + 1]) | {"attune"} for i, room in enumerate(CHAIN)}
for user_of_kernels in ("models", "retrieval", "trainer"):
    MAY_USE[user_of_kernels].add("kernels")
MAY_USE["kernels"] = {"kernels"}
MAY_USE["include"] = {"attune"}  # the public API sees nothing of the inside
FREE = ["tests", "benchmarks"]   # they look at everything, but keep the rules on words and names
ROOMS = set(CHAIN) | {"kernels"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
TORCH_FREE = ("core", "data", "kernels", "include")
PUBLIC_WITH_TORCH = {"include/attune/adapter.h"}
TORCH = re.compile(r"^(torch|ATen|c10)/")
LOG = "core/log.cpp"
# The only files that may open something for writing, or make, rename and remove files.
WRITERS = {"core/durable.cpp", "core/durable_operations.cpp", "core/append_file.cpp",
           "core/lock_file.cpp"}
WRITING = re.compile(r'\bo?fstream\b|\bfreopen\s*\(|\bO_(WRONLY|RDWR|CREAT)\b|'
                     r'\bfopen\s*\([^,;]*,(?!\s*"rb?")|'
                     r'(?<![\w>])::(unlink|rename|renameat2?|ftruncate|truncate|mkdir|mkstemp)\s*\(|'
                     r'\b(fs|filesystem)::(create_\w+|remove|remove_all|rename|copy|copy_file|resize_file)\b')
SOURCE = (".h", ".cpp", ".cu", ".cuh")
BAD_NAME = re.compile(r"(^|_)(utils?|helpers?|common|misc)$")
COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|("(?:\\.|[^"\\\n])*")', re.DOTALL)


def without_comments(text):
    """The text with comments blanked, lines kept; strings stay."""
    return COMMENT.sub(lambda m: m.group(1) or re.sub(r"[^\n]", " ", m.group(0)), text)


def check_include(path, room, delimiter, target):
    if target == "torch/torch.h":
        yield "torch/torch.h costs 15 to 31 s a file; include the ATen/ops headers that are used"
    if TORCH.match(target) and room in TORCH_FREE and path not in PUBLIC_WITH_TORCH:
        yield f"{target}: {room}/ is built and tested without torch"
    if target.startswith("spdlog/") and path != LOG:
        yield f"{target}: only {LOG} sees spdlog (its fmt and torch's do not go together)"
    first = target.split("/")[0] if "/" in target else ""
    if room in MAY_USE and first in ROOMS and first not in MAY_USE[room]:
        yield f"{target}: against the arrows, {room}/ may use {', '.join(sorted(MAY_USE[room]))}"
    if room in MAY_USE and delimiter == '"' and first not in ROOMS and first != "attune":
        yield f'"{target}": expected a path from the root of the repository'


def check_file(root, path):
    relative = path.relative_to(root).as_posix()
    room = relative.split("/")[0]
    text = without_comments(path.read_text(encoding="utf-8", errors="replace"))
    for number, line in enumerate(text.split("\n"), start=1):
        include = INCLUDE.match(line)
        if include:
            for message in check_include(relative, room, *include.groups()):
                yield f"{relative}:{number}: {message}"
        elif room not in FREE and relative not in WRITERS and WRITING.search(line):
            yield f"{relative}:{number}: a file is written, made, renamed or removed; core/durable.h does that"


def check_tree(root):
    root = pathlib.Path(root)
    for room in [*MAY_USE, *FREE, "scripts"]:
        for path in sorted((root / room).rglob("*")):
            if "__pycache__" in path.parts:
                continue
            name = path.stem if path.is_file() else path.name
            name = name.removesuffix("_test")
            if BAD_NAME.search(name):
                yield f"{path.relative_to(root).as_posix()}:1: a name that says nothing of its contents"
            if path.is_file() and path.suffix in SOURCE:
                yield from check_file(root, path)


# (file, contents, what the message must hold; None: no message)
PLANTED = [
    ("core/a.cpp", '#include "data/qa_dataset.h"\n', "core/a.cpp:1: data/qa_dataset.h: against"),
    ("data/a.cpp", '\n\n#include "models/bert.h"', "data/a.cpp:3: models/bert.h: against"),
    ("models/losses.cpp", '#include "trainer/loss.h"', "against"),
    ("retrieval/a.cpp", '#include "trainer/loss.h"', "against"),
    ("trainer/a.h", '#include "pipeline/run.h"', "against"),
    ("kernels/a.cu", '#include "core/error.h"', "against"),
    ("data/a.h", '#include "kernels/attention.h"', "against"),
    ("include/attune/a.h", '#include "core/error.h"', "against"),
    ("data/b.cpp", "#include <ATen/ops/mm.h>", "without torch"),
    ("core/b.cpp", "#include <c10/util/Half.h>", "without torch"),
    ("models/a.cpp", "#include <torch/torch.h>", "15 to 31 s"),
    ("core/c.cpp", "#include <spdlog/spdlog.h>", "only core/log.cpp"),
    ("core/d.cpp", '#include "error.h"', "from the root"),
    ("trainer/b.cpp", "std::ofstream out(path);", "trainer/b.cpp:1: a file is written"),
    ("trainer/c.cpp", 'FILE* f = fopen(path, "wb");', "a file is written"),
    ("data/c.cpp", "open(path, O_WRONLY);", "a file is written"),
    ("trainer/e.cpp", "fs::remove_all(path, ignored);", "a file is written"),
    ("apps/b.cpp", "if (::rename(a, b) != 0) return;", "a file is written"),
    ("models/b.cpp", "void Weights::rename(const std::string& from) {", None),
    ("models/model_utils.h", "", "says nothing"),
    ("trainer/helpers/a.h", "", "says nothing"),
    ("tests/common_test.cpp", "", "says nothing"),
    ("apps/a.cpp", '#include "pipeline/run.h"\n#include "core/log.h"', None),
    ("trainer/d.cpp", '#include "kernels/dropout.h"\n#include <ATen/ops/mm.h>', None),
    ("core/log.cpp", "#include <spdlog/spdlog.h>", None),
    ("core/durable_operations.cpp", "::open(path, O_WRONLY | O_CREAT);", None),
    ("data/d.cpp", '// #include "models/a.h"\n/* std::ofstream\n */ FILE* f = fopen(p, "rb");', None),
    ("tests/data/a_test.cpp", '#include "trainer/loss.h"\nstd::ofstream out;', None),
]


def self_test():
    failures = 0
    for name, contents, expected in PLANTED:
        with tempfile.TemporaryDirectory() as root:
            path = pathlib.Path(root) / name
            path.parent.mkdir(parents=True)
            path.write_text(contents, encoding="utf-8")
            found = list(check_tree(root))
        fine = not found if expected is None else len(found) == 1 and expected in found[0]
        if not fine:
            failures += 1
            print(f"self-test: {name}: expected {expected!r}, found {found}")
    print(f"self-test: {len(PLANTED)} planted files, {failures} judged wrongly")
    return failures


def main(arguments):
    if arguments == ["--self-test"]:
        return 1 if self_test() else 0
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parent.parent)
    if not (root / "core").is_dir():
        print(f"{root}: not the repository (no core/ in it)")
        return 1
    messages = list(check_tree(root))
    print("\n".join(messages) if messages else "all arrows point down")
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
