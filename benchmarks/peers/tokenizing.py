"""attune against Hugging Face tokenizers at tokenising texts, both with their own threads.

    .venv/bin/python benchmarks/peers/tokenizing.py [--texts 100000] [--rounds 7] [--help]

Each round runs both once, in turns. The time is that of the batch call alone, without loading and
without reading the texts: attune's is what tokenizer_benchmark prints (benchmarks/tokenizer), the
peer's that of encode_batch and, beside it, encode_batch_fast, which leaves out offsets. Both cut at
the same length and must give the same number of tokens, else there is no report (exit 1).
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import measured

from parity import corpora

DATA = ("squad_v11/retrieval/train.json", "medquad/retrieval/train.json")
PEERS = ("encode_batch", "encode_batch_fast")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--texts", type=int, default=100000, help="fewer where the sets have fewer")
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument(
        "--benchmark",
        type=pathlib.Path,
        default=measured.ROOT / "build/release/tokenizer_benchmark",
        help="attune's tokenizer alone (cmake --build build/release --target tokenizer_benchmark)",
    )
    measured.add_options(parser)
    return parser.parse_args(arguments)


def read_texts(count):
    texts = []
    for name in DATA:
        path = corpora.find(name)
        if path is not None:
            data = corpora.read(path)
            texts += [*data["queries"].values(), *data["corpus"].values()]
    return texts[:: max(1, len(texts) // count)][:count]


def ours(options, place):
    done = subprocess.run(
        [options.benchmark, options.base, place, str(options.max_length), str(options.threads)],
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    return answer["seconds"], answer["tokens"]


def theirs(tokenizer, name, texts):
    began = time.perf_counter()
    encodings = getattr(tokenizer, name)(texts)
    seconds = time.perf_counter() - began
    return seconds, sum(len(encoding.ids) for encoding in encodings)


def measure(options, texts):
    """({program: [seconds a round]}, tokens). Raises ValueError where they disagree."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(options.base / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(options.max_length)
    place = options.work / "texts.json"
    place.write_text(json.dumps(texts), "utf-8")
    programs = {"attune": lambda: ours(options, place)} | {
        name: lambda name=name: theirs(tokenizer, name, texts) for name in PEERS
    }
    theirs(tokenizer, PEERS[0], texts[:1000])  # its threads begin here
    seconds, counts = {name: [] for name in programs}, set()
    for number in range(options.rounds):
        names = list(programs)
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            taken, tokens = programs[name]()
            seconds[name].append(taken)
            counts.add(tokens)
            print(f"round {number + 1}: {name} {taken:.3f} s", file=sys.stderr, flush=True)
    if len(counts) != 1:
        raise ValueError(f"other numbers of tokens: {sorted(counts)}")
    return seconds, counts.pop()


def page(options, facts, texts, seconds, tokens):
    cells = []
    for name, times in seconds.items():
        speed = measured.spread([tokens / s / 1e6 for s in times])
        ratio = measured.spread([s / own for own, s in zip(seconds["attune"], times)])
        cells.append(
            (
                name,
                f"{speed['median']:.2f} ({speed['low']:.2f} to {speed['high']:.2f})",
                f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})",
            )
        )
    return [
        f"# Tokenising: attune and Hugging Face tokenizers ({facts['date']})",
        "",
        f"{options.rounds} rounds, interleaved, in rotated order; {len(texts)} texts of "
        f"{' and '.join(DATA)}, {tokens} tokens, cut at {options.max_length}; "
        f"{options.threads} threads each. Median and quartiles over rounds; the ratio is the "
        "program's time to attune's in the same round.",
        "",
        *measured.table(("program", "million tokens/s", "times attune's time"), cells),
        "",
        "## Where",
        "",
        *measured.table(("what", "value"), facts.items()),
    ]


def main(arguments=None):
    options = parse(arguments)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    os.environ["RAYON_NUM_THREADS"] = str(options.threads)
    error = measured.check(options, "tokenizing")
    if not error and not options.benchmark.is_file():
        error = f"{options.benchmark} is not there: build it, or pass --benchmark"
    texts = [] if error else read_texts(options.texts)
    if not error and not texts:
        error = f"none of {', '.join(DATA)} is in the shared data beside the repository"
    if error:
        print(error, file=sys.stderr)
        return 2
    _, facts = measured.begin(options)
    try:
        seconds, tokens = measure(options, texts)
    except (ValueError, subprocess.CalledProcessError) as failure:
        print(f"no comparison: {failure}", file=sys.stderr)
        return 1
    facts["load after"] = round(os.getloadavg()[0], 2)
    facts["base"] = options.base_name
    lines = page(options, facts, texts, seconds, tokens)
    beside = [
        {"name": f"tokenising, {name}", "attune": seconds["attune"], "peer": seconds[name]}
        for name in PEERS
    ]
    path = measured.write_report(
        options.reports, "tokenizing", lines, {"facts": facts, "measurements": beside}
    )
    measured.tell(path, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
