#!/usr/bin/env python3
"""Asks a real OpenAI-compatible server: `transformers serve` with a tiny random Llama.

Random weights ask no good questions and none are expected: only protocol and parsing are judged.
Run once with transformers 5.23.0, torch 2.11.0, fastapi 0.165.0 (docs/decisions/015-llm.md). Not
part of the tests: fastapi, uvicorn, openai and python-multipart are not in requirements/peers.txt. In an
environment that has them beside transformers:

    real_llm_server.py --probe build/release/llm_probe --tokenizer .venv/models/all-MiniLM-L6-v2
"""
import argparse
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import torch
import transformers

TEMPLATE = "{% for message in messages %}{{ message['content'] }} {% endfor %}"


def make_model(folder, tokenizer):
    """A Llama of one layer with random weights, and the tokenizer of some model."""
    torch.manual_seed(0)
    base = transformers.AutoTokenizer.from_pretrained(tokenizer)
    words = transformers.PreTrainedTokenizerFast(
        tokenizer_object=base.backend_tokenizer,
        model_input_names=["input_ids", "attention_mask"],  # a Llama takes no more
        **base.special_tokens_map,
    )
    words.chat_template = TEMPLATE
    words.save_pretrained(folder)
    config = transformers.LlamaConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=2048,
        pad_token_id=words.pad_token_id,
        eos_token_id=words.sep_token_id,
    )
    model = transformers.LlamaForCausalLM(config)
    # Every eighth word ends an answer: else all would end at the limit.
    model.generation_config.eos_token_id = list(range(0, len(words), 8))
    model.save_pretrained(folder)


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def wait_until_up(url, process):
    for _ in range(120):
        if process.poll() is not None:
            sys.exit("the server ended by itself")
        try:
            with urllib.request.urlopen(url + "/health", timeout=2) as reply:
                return reply.status
        except OSError:
            time.sleep(1)
    sys.exit("the server did not start within two minutes")


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--probe", type=pathlib.Path, required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--passages", type=int, default=6)
    options = parser.parse_args(arguments)
    os.environ["no_proxy"] = "*"
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        make_model(work / "model", options.tokenizer)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        # As the console script does, whatever environment's python this is.
        command = "from transformers.cli.transformers import main; main()"
        serve = [sys.executable, "-c", command, "serve", "--port", str(port), "--device", "cpu"]
        process = subprocess.Popen(serve, stdout=sys.stderr)
        try:
            wait_until_up(url, process)
            for structured in ("auto", "json", "text"):
                config = {
                    "url": url,
                    "model": str(work / "model"),
                    "structured": structured,
                    "max_tokens": 128,
                    "concurrency": 2,
                    "temperature": 1,
                }
                (work / "llm.yaml").write_text(json.dumps(config))
                journal = work / f"{structured}.jsonl"
                probe = [options.probe, str(options.passages), work / "llm.yaml", journal]
                print(f"--- structured: {structured}", flush=True)
                subprocess.run(probe + ["--show"], check=False)
                if journal.exists():
                    print("".join(journal.read_text().splitlines(True)[1:3]), flush=True)
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
