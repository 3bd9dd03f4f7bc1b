"""sentence-transformers on a GPU for gpu.py: its trainer and its encode, as fast as they go.

Watched without making them wait: losses and token counts stay on the device until the end, and the
clock is read after a synchronisation at the first counted step and at the last. (The watching of
parity.peer_training reads the loss in every step, which would slow a GPU down.) For all settings:
bf16 is the trainer's own (autocast, fp32 weights), the optimizer transformers' default, AdamW fused
on the device, and its check of every loss for NaN, which waits for the device, is off.
"""

import contextlib
import dataclasses
import gc
import os
import signal
import sys
import tempfile
import time
import typing

import torch
from parity import peer_training
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from transformers import TrainerCallback
from transformers.utils import is_flash_attn_2_available

import measured
from gpu_parts.models import synchronize
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer

ENCODE_BATCHES = (128, 512, 2048)
COMPILE_SECONDS = 100  # at most for trying one setting


@dataclasses.dataclass(frozen=True)
class Setting:
    name: str
    attention: str = "sdpa"
    compiled: bool = False
    workers: int = 0  # processes that tokenise beside the training


SETTINGS = (
    Setting("SDPA"),
    Setting("SDPA, 4 loader processes", workers=4),
    Setting("SDPA, torch.compile, 4 loader processes", compiled=True, workers=4),
    Setting("flash-attention, 4 loader processes", attention="flash_attention_2", workers=4),
)


class TooLong(Exception):
    pass


@contextlib.contextmanager
def at_most(seconds):
    """Raises TooLong in the block after so many seconds; in the main thread alone."""

    def ring(*_):
        raise TooLong(f"stopped after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.01))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclasses.dataclass
class Run:
    losses: list
    tokens: list  # a step, without padding
    padded: list  # with it
    pairs: list
    seconds: float  # a step, over the counted ones
    peak_bytes: int | None  # of tensors on the device; None: there is no GPU
    kernels: list | None = None  # of `profile`


def free(device):
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


class _Clock(TrainerCallback):
    def __init__(self, device, warm_up, steps, profile):
        self.device, self.warm_up, self.steps = device, warm_up, steps
        self.profile, self.profiler = profile, None
        self.began = self.ended = 0.0

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step not in (self.warm_up, self.steps):
            return
        synchronize(self.device)
        self.began, self.ended = self.ended, time.perf_counter()
        if not self.profile:
            return
        if self.profiler is None:
            kinds = [torch.profiler.ProfilerActivity.CPU]
            if self.device == "cuda":
                kinds.append(torch.profiler.ProfilerActivity.CUDA)
            self.profiler = torch.profiler.profile(activities=kinds)
            self.profiler.start()
        else:
            self.profiler.stop()

    def seconds(self):
        return (self.ended - self.began) / (self.steps - self.warm_up)

    def kernels(self):
        """(name, calls, ms): what ran on the GPU, or on a processor the operators themselves."""
        if self.profiler is None:
            return None
        found = []
        for event in self.profiler.key_averages():
            on_gpu = event.device_type == torch.autograd.DeviceType.CUDA
            if on_gpu != (self.device == "cuda"):
                continue
            spent = event.self_device_time_total if on_gpu else event.self_cpu_time_total
            if spent > 0:
                found.append((event.key, event.count, spent / 1000))
        return sorted(found, key=lambda kernel: -kernel[2])


class _Trainer(SentenceTransformerTrainer):
    def add_model_card_callback(self, default_args_dict):
        """No model card: it computes nothing."""

    def compute_loss(self, model, inputs, *args, **kwargs):
        ids = [value for name, value in inputs.items() if name.endswith("input_ids")]
        masks = [value for name, value in inputs.items() if name.endswith("attention_mask")]
        self.padded.append(sum(value.numel() for value in ids))
        # Without masks there is no padding: flash attention gets its texts end to end.
        self.real.append(torch.stack([m.sum() for m in masks]) if masks else self.padded[-1])
        result = super().compute_loss(model, inputs, *args, **kwargs)
        loss = result[0] if isinstance(result, tuple) else result
        self.losses.append(loss.detach())
        return result


def train(directory, rows, settings, setting, warm_up=0, loss=None, profile=False):
    """One training of settings.max_steps steps over rows, a Dataset; the first warm_up of them are
    not counted. loss(model) replaces the plain one.
    """
    device = settings.device
    # One process tokenises with all threads; several of them with one each.
    os.environ["TOKENIZERS_PARALLELISM"] = "false" if setting.workers else "true"
    model = _model(directory, settings, setting)
    clock = _Clock(device, warm_up, settings.max_steps, profile)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(None):
        trainer = _Trainer(
            model=model,
            args=peer_training.training_arguments(
                settings,
                scratch,
                logging_nan_inf_filter=False,
                dataloader_num_workers=setting.workers,
                dataloader_pin_memory=device == "cuda",
            ),
            train_dataset=rows,
            loss=loss(model) if loss else MultipleNegativesRankingLoss(model, scale=settings.scale),
            callbacks=[clock],
        )
        trainer.losses, trainer.real, trainer.padded = [], [], []
        clock.ended = time.perf_counter()
        trainer.train()
    steps = len(trainer.losses)
    pairs = [settings.batch_size] * steps
    if len(rows) % settings.batch_size and steps * settings.batch_size > len(rows):
        raise ValueError("the pairs of a benchmark are whole batches")
    run = Run(
        losses=[float(value) for value in trainer.losses],
        tokens=[int(value.sum()) if torch.is_tensor(value) else value for value in trainer.real],
        padded=trainer.padded,
        pairs=pairs,
        seconds=clock.seconds(),
        peak_bytes=torch.cuda.max_memory_allocated() if device == "cuda" else None,
        kernels=clock.kernels(),
    )
    del trainer, model
    free(device)
    return run


DEEP = 12  # layers; compiling a deeper model as a whole takes minutes


def compile_model(encoder):
    """As a whole, or, where that takes too long, each layer (one compiled form serves them all)."""
    torch._dynamo.reset()
    layers = encoder.config.num_hidden_layers
    if layers <= DEEP:
        encoder.compile(dynamic=True)
        return
    (stack,) = [
        module
        for module in encoder.modules()
        if isinstance(module, torch.nn.ModuleList) and len(module) == layers
    ]
    for layer in stack:
        layer.compile(dynamic=True)


_compiled = {}  # the last one: what it was made of, the model, its weights before any training


def forget_compiled():
    _compiled.clear()


def _model(directory, settings, setting):
    """Loaded, or the last compiled one with its first weights: compiling is not what is timed."""
    made_of = (str(directory), settings.dropout, settings.max_length, setting)
    if setting.compiled and _compiled.get("made of") == made_of:
        model = _compiled["model"]
        for name in ("forward", "_original_forward"):  # accelerate's wrapper of the last trainer
            vars(model).pop(name, None)
        model.load_state_dict(_compiled["weights"])
        return model
    forget_compiled()
    free(settings.device)
    model = peer_training.load(directory, settings, attn_implementation=setting.attention)
    if setting.compiled:
        compile_model(model[0].auto_model)
        weights = {name: value.cpu().clone() for name, value in model.state_dict().items()}
        _compiled.update({"made of": made_of, "model": model, "weights": weights})
    return model


@dataclasses.dataclass
class Tried:
    """One setting of the peer: what it took, or why it did not."""

    name: str
    setting: typing.Any
    seconds: float | None
    said: str = ""


def settings_to_try(device, compiled=True):
    """(those that can be tried, those that cannot)"""
    can, cannot = [], []
    for setting in SETTINGS:
        reason = ""
        if setting.attention == "flash_attention_2" and device != "cuda":
            reason = "needs a GPU"
        elif setting.attention == "flash_attention_2" and not is_flash_attn_2_available():
            reason = "flash-attention cannot be imported here"
        elif setting.compiled and not compiled:
            reason = "not asked for"
        if reason:
            cannot.append(Tried(setting.name, setting, None, reason))
        else:
            can.append(setting)
    return can, cannot


def try_each(settings, measure, device, seconds_left):
    """Each through measure(setting) -> seconds, within a time limit; a setting that fails is no
    setting, and what it said is kept.
    """
    tried = []
    for setting in settings:
        limit = min(COMPILE_SECONDS, seconds_left() / 2)
        if tried and limit < 5:
            tried.append(Tried(setting.name, setting, None, "not tried: no time left"))
            continue
        try:
            with at_most(limit):
                tried.append(Tried(setting.name, setting, measure(setting)))
        except Exception as failure:  # whatever the peer's libraries raise
            forget_compiled()
            said = measured.told(f"{type(failure).__name__}: {failure}", 160)
            tried.append(Tried(setting.name, setting, None, said))
        free(device)
        told = tried[-1]
        seconds = told.said if told.seconds is None else f"{1000 * told.seconds:.1f} ms"
        print(f"  peer, {told.name}: {seconds}", file=sys.stderr, flush=True)
    return tried


def best(tried):
    done = [one for one in tried if one.seconds is not None]
    if not done:
        raise ValueError(f"the peer ran in no setting: {[one.said for one in tried]}")
    return min(done, key=lambda one: one.seconds).setting


class Encoder:
    """SentenceTransformer.encode_document with bf16 weights."""

    def __init__(self, directory, device, max_length, compiled):
        self.device = device
        self.model = SentenceTransformer(
            str(directory),
            device=device,
            model_kwargs={"dtype": torch.bfloat16, "attn_implementation": "sdpa"},
        )
        self.model.max_seq_length = max_length
        if compiled:
            forget_compiled()
            compile_model(self.model[0].auto_model)

    def __call__(self, texts, batch_size):
        """(vectors, seconds), tokenisation included."""
        os.environ["TOKENIZERS_PARALLELISM"] = "true"
        synchronize(self.device)
        began = time.perf_counter()
        vectors = self.model.encode_document(texts, batch_size=batch_size, show_progress_bar=False)
        return vectors, time.perf_counter() - began
