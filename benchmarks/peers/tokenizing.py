"""attune against Hugging Face tokenizers at tokenising texts, kind by kind.

    .venv/bin/python benchmarks/peers/tokenizing.py [--texts 100000] [--rounds 5] [--help]

Each round runs both once, in turns. What counts is the processor's time of the batch call alone
(all threads together), without loading and without reading the texts: attune's is what
tokenizer_benchmark prints (benchmarks/tokenizer), the peer's that of encode_batch and, beside it,
encode_batch_fast, which leaves out offsets. Both cut at the same length and must give the same
number of tokens, else there is no report (exit 1). WordPiece is the base model's; the other kinds
are trained on a part of the texts.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import measured

import sentencepiece_parity as pieces
import tokenizer_kinds
from parity import corpora

DATA = ("squad_v11/retrieval/train.json", "medquad/retrieval/train.json")
PEERS = ("encode_batch", "encode_batch_fast")
# sentencepiece's library and the tokenizer.json that transformers converts a .model to cut a few
# texts otherwise (docs/tokenizers.md).
OTHER_TOKENS = 1e-3


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
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


def kinds(options, texts):
    """(name, our model directory, the peer's tokenizer.json)"""

    def same(name, folder):
        return name, folder, pathlib.Path(folder, "tokenizer.json")

    yield same("WordPiece", options.base)
    part = texts[:: max(1, len(texts) // 20000)]
    make = pieces.Directories(options.work)

    def trained(kind):
        rules = json.dumps(tokenizer_kinds.TRAINED[kind](part, 8000))
        return make.folder({}, {"tokenizer.json": rules.encode()})

    yield same("byte-level BPE (Qwen3's rules)", trained("qwen3"))
    yield same("byte-level BPE (ModernBERT's rules)", trained("modernbert"))
    yield same("BPE with byte fallback (Gemma's rules)", trained("gemma"))
    model = pieces.train(
        [text.replace("\n", " ") for text in part], model_type="unigram", vocab_size=8000
    )
    config = {"tokenizer_class": "XLMRobertaTokenizer"}
    ours = make.of_model("sentencepiece.bpe.model", model, config)
    as_json = make.of_tokenizer(pieces.converted(ours))
    yield "unigram, `.model` (XLM-R's rules)", ours, same("", as_json)[2]
    yield same("unigram, `tokenizer.json` (XLM-R's rules)", as_json)


def ours(options, folder, place):
    """(processor's seconds, tokens)"""
    done = subprocess.run(
        [options.benchmark, folder, place, str(options.max_length), str(options.threads)],
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    return answer["cpu_seconds"], answer["tokens"]


def theirs(tokenizer, name, texts):
    began = time.process_time()
    encodings = getattr(tokenizer, name)(texts)
    seconds = time.process_time() - began
    return seconds, sum(len(encoding.ids) for encoding in encodings)


def measure(options, texts, place, kind):
    """({program: [seconds a round]}, attune's tokens). Raises ValueError where they disagree."""
    from tokenizers import Tokenizer

    name, folder, rules = kind
    tokenizer = Tokenizer.from_file(str(rules))
    tokenizer.no_padding()
    tokenizer.enable_truncation(options.max_length)
    programs = {"attune": lambda: ours(options, folder, place)} | {
        peer: lambda peer=peer: theirs(tokenizer, peer, texts) for peer in PEERS
    }
    theirs(tokenizer, PEERS[0], texts[:1000])  # its threads begin here
    seconds, tokens = {program: [] for program in programs}, {}
    for number in range(options.rounds):
        names = list(programs)
        turn = number % len(names)
        for program in names[turn:] + names[:turn]:
            taken, tokens[program] = programs[program]()
            seconds[program].append(taken)
            print(f"{name}, round {number + 1}: {program} {taken:.3f} s", file=sys.stderr, flush=True)
    allowed = OTHER_TOKENS * tokens["attune"] if rules.parent != pathlib.Path(folder) else 0
    if max(tokens.values()) - min(tokens.values()) > allowed:
        raise ValueError(f"{name}: other numbers of tokens: {tokens}")
    return seconds, tokens["attune"]


def shown(values):
    of = measured.spread(values)
    return f"{of['median']:.2f} ({of['low']:.2f} to {of['high']:.2f})"


def page(options, facts, texts, found):
    cells = []
    for name, (seconds, tokens) in found.items():
        own = seconds["attune"]
        ratios = [[s / a for s, a in zip(seconds[peer], own)] for peer in PEERS]
        rate = [tokens / s / 1e6 for s in own]
        cells.append((name, tokens, shown(rate), *(shown(ratio) for ratio in ratios)))
    return [
        f"# Tokenising: attune and Hugging Face tokenizers ({facts['date']})",
        "",
        f"{options.rounds} rounds, interleaved, in rotated order; {len(texts)} texts of "
        f"{' and '.join(DATA)}, cut at {options.max_length} tokens; {options.threads} threads each. "
        "Processor time, all threads together; median and quartiles over rounds; the ratio is the "
        "peer's time to attune's in the same round.",
        "",
        *measured.table(
            ("kind", "tokens", "million tokens a second of one core", *(f"{p} / attune" for p in PEERS)),
            cells,
        ),
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
    place = options.work / "texts.json"
    place.write_text(json.dumps(texts), "utf-8")
    found = {}
    try:
        for kind in kinds(options, texts):
            found[kind[0]] = measure(options, texts, place, kind)
    except (ValueError, subprocess.CalledProcessError) as failure:
        print(f"no comparison: {failure}", file=sys.stderr)
        return 1
    facts["load after"] = round(os.getloadavg()[0], 2)
    facts["base"] = options.base_name
    lines = page(options, facts, texts, found)
    beside = [
        {"name": f"{kind}, {peer}", "attune": seconds["attune"], "peer": seconds[peer]}
        for kind, (seconds, _) in found.items()
        for peer in PEERS
    ]
    path = measured.write_report(
        options.reports, "tokenizing", lines, {"facts": facts, "measurements": beside}
    )
    measured.tell(path, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
