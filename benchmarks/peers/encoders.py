"""The programs that encode.py measures: attune, and its peers at embedding texts on the processor.

- sentence-transformers' `encode` as it is (batches of 32, sorted by length): fp32; fp32-medium,
  which is torch's matmul precision "medium" (weights and sums stay fp32, products may be rounded to
  bf16); and with bf16 weights;
- ONNX Runtime: the encoder exported by torch with plain attention, whose pattern its optimizer
  knows and fuses on loading (a fifth faster than torch's own fused attention exported; its offline
  optimizer for transformers gained about 2 %), in fp32, and in int8 as its quantize_dynamic makes
  it: weights per channel, every operator that it knows;
- CTranslate2: its own converter, in float32 and int8, and in bfloat16 where it offers that for the
  processor. Encoder.forward_batch returns the last hidden states, as ONNX Runtime does.

The last two bring neither a tokenizer nor pooling. They get `tokenizers` for all texts at once,
batches of 32 of like length, and mean over real tokens and normalisation in numpy; so the base must
be a model of that shape without prompts, and the comparison of vectors sees any other.
"""

import dataclasses
import importlib.metadata
import json
import pathlib
import sys
import time
import typing
import warnings

import measured  # noqa: F401 - tells where parity is

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from parity.program import Attune, AttuneFailed

BATCH_SIZE = 32
REFERENCE = "sentence-transformers fp32"
EXTENSIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
# A process of its own, because a child of this one would be charged with torch's memory: Linux
# keeps the largest size over exec.
WITH_PEAK = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


@dataclasses.dataclass
class Program:
    program: str
    precision: str
    load: typing.Callable  # () -> encode; encode(texts, role="text") -> (vectors, seconds)

    @property
    def name(self):
        return f"{self.program} {self.precision}"


def tokenizer_of(options):
    tokenizer = Tokenizer.from_file(str(options.base / "tokenizer.json"))
    tokenizer.enable_truncation(options.max_length)
    tokenizer.no_padding()
    return tokenizer


def token_counts(options, texts):
    return [len(encoding.ids) for encoding in tokenizer_of(options).encode_batch_fast(texts)]


def timed(encode):
    def call(texts, role="text"):
        began = time.perf_counter()
        vectors = encode(texts, role)
        return vectors, time.perf_counter() - began

    return call


def load_sentence_transformers(options, dtype, products="highest"):
    model = SentenceTransformer(str(options.base), device="cpu", model_kwargs={"dtype": dtype})
    model.max_seq_length = options.max_length

    def encode(texts, role):
        call = {"query": model.encode_query, "text": model.encode_document}[role]
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision(products)
        try:
            return call(texts, batch_size=BATCH_SIZE, show_progress_bar=False)
        finally:
            torch.set_float32_matmul_precision(before)

    return timed(encode)


def in_batches(options, hidden_states):
    """encode() around hidden_states(ids, lengths): ids padded with 0, one row a text."""
    tokenizer = tokenizer_of(options)

    def encode(texts, role):
        tokens = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]
        order = np.argsort([-len(row) for row in tokens], kind="stable")
        parts = []
        for start in range(0, len(order), BATCH_SIZE):
            rows = [tokens[i] for i in order[start : start + BATCH_SIZE]]
            lengths = np.array([len(row) for row in rows])
            ids = np.zeros((len(rows), lengths.max()), dtype=np.int64)
            for i, row in enumerate(rows):
                ids[i, : len(row)] = row
            real = np.arange(ids.shape[1]) < lengths[:, None]
            weights = real.astype(np.float32) / lengths[:, None].astype(np.float32)
            parts.append((weights[:, None, :] @ hidden_states(ids, lengths))[:, 0])
        vectors = np.concatenate(parts)[np.argsort(order)]
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return timed(encode)


class _LastHiddenState(torch.nn.Module):
    """transformers' own forward cannot be traced: its decorators take positional inputs badly."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.model(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state


def export_onnx(options):
    """(fp32, int8) files under options.work, made unless they are there."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import AutoModel

    fp32, int8 = options.work / "fp32.onnx", options.work / "int8.onnx"
    if int8.is_file():
        return fp32, int8
    model = AutoModel.from_pretrained(
        str(options.base), dtype=torch.float32, attn_implementation="eager"
    )
    mask = torch.ones((2, 8), dtype=torch.long)
    mask[1, 5:] = 0
    inputs = {"input_ids": torch.ones_like(mask), "attention_mask": mask}
    inputs["token_type_ids"] = torch.zeros_like(mask)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about tracing; the check of the vectors is the proof
        torch.onnx.export(
            _LastHiddenState(model.eval()),
            tuple(inputs.values()),
            str(fp32),
            input_names=list(inputs),
            output_names=["last_hidden_state"],
            dynamic_axes=dict.fromkeys((*inputs, "last_hidden_state"), {0: "batch", 1: "length"}),
            opset_version=17,
            dynamo=False,  # the newer exporter wants one more package
        )
    quantize_dynamic(fp32, int8, per_channel=True, weight_type=QuantType.QInt8)
    return fp32, int8


def load_onnx_runtime(options, file):
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    session = onnxruntime.InferenceSession(str(file), settings, providers=["CPUExecutionProvider"])

    def hidden_states(ids, lengths):
        mask = (np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64)
        inputs = {
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(ids),
        }
        return session.run(None, inputs)[0]

    return in_batches(options, hidden_states)


def convert_to_ctranslate2(options):
    from ctranslate2.converters import TransformersConverter

    place = options.work / "ctranslate2"
    if not place.is_dir():
        TransformersConverter(str(options.base)).convert(str(place))
    return place


def load_ctranslate2(options, place, compute_type):
    import ctranslate2

    encoder = ctranslate2.Encoder(
        str(place), device="cpu", compute_type=compute_type, intra_threads=options.threads
    )

    def hidden_states(ids, lengths):
        rows = [row[:length].tolist() for row, length in zip(ids, lengths)]
        states = encoder.forward_batch(rows).last_hidden_state
        return np.array(states.to(ctranslate2.DataType.float32))

    return in_batches(options, hidden_states)


def load_attune(options, attune, precision, peaks):
    launcher = Attune(sys.executable, options.work, options.threads)
    source, out = options.work / "encode.jsonl", options.work / "encode.npy"

    def encode(texts, role="text"):
        lines = (json.dumps(text, ensure_ascii=True) + "\n" for text in texts)
        source.write_text("".join(lines), encoding="utf-8")
        command = f"embed --precision {precision} --role {role} --device cpu --json".split()
        command += ["--max-length", options.max_length, "--model", options.base]
        command += ["--input", source, "--output", out]
        said = launcher.run("-c", WITH_PEAK, attune.binary, *command).splitlines()
        answer = json.loads(said[-2])
        peaks.append(int(said[-1]))
        expected = {"status": "succeeded", "texts": len(texts)}
        if any(answer[key] != value for key, value in expected.items()):
            raise AttuneFailed(f"attune embed told {answer}, expected {expected}")
        return np.load(out, allow_pickle=False), answer["seconds"]

    return encode


def described():
    """A sentence on what measured.facts does not tell: these peers' versions, the instructions."""
    import ctranslate2

    onnx_runtime, ct2 = map(importlib.metadata.version, ("onnxruntime", "ctranslate2"))
    offered = ", ".join(sorted(ctranslate2.get_supported_compute_types("cpu")))
    flags = pathlib.Path("/proc/cpuinfo").read_text().split()
    instructions = ", ".join(name for name in EXTENSIONS if name in flags)
    return (
        f"ONNX Runtime {onnx_runtime}; CTranslate2 {ct2}, which offers {offered} here. The "
        f"processor has {instructions}."
    )


def programs(options, attune, peaks):
    """Every program, the reference first; peaks collects attune's memory in KiB."""
    import ctranslate2

    fp32, int8 = export_onnx(options)
    converted = convert_to_ctranslate2(options)
    kinds = {"fp32": "float32", "int8": "int8"}
    if "bfloat16" in ctranslate2.get_supported_compute_types("cpu"):
        kinds["bf16"] = "bfloat16"

    def peer(precision, *more):
        return Program(
            "sentence-transformers", precision, lambda: load_sentence_transformers(options, *more)
        )

    return [
        peer("fp32", torch.float32),
        peer("fp32-medium", torch.float32, "medium"),
        peer("bf16", torch.bfloat16),
        Program("ONNX Runtime", "fp32", lambda: load_onnx_runtime(options, fp32)),
        Program("ONNX Runtime", "int8", lambda: load_onnx_runtime(options, int8)),
        *(
            Program(
                "CTranslate2", name, lambda kind=kind: load_ctranslate2(options, converted, kind)
            )
            for name, kind in kinds.items()
        ),
        *(
            Program("attune", name, lambda name=name: load_attune(options, attune, name, peaks))
            for name in ("fp32", "bf16", "int8")
        ),
    ]
