"""sentence-transformers' own trainer, run on the CPU with every step's facts written down.

Nothing of the peer's arithmetic is replaced: the trainer is subclassed only to look at what it
computes. The losses are full precision (its log rounds), a learning rate is the one used in that
step, a gradient norm is the one before clipping, seconds are whole steps including its data
loader's tokenisation.
"""

import contextlib
import dataclasses
import tempfile
import time

import torch
from datasets import Dataset, DatasetDict
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.training_args import BatchSamplers
from transformers import TrainerCallback

SAMPLERS = {"default": BatchSamplers.BATCH_SAMPLER, "no_duplicates": BatchSamplers.NO_DUPLICATES}
SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}


@dataclasses.dataclass
class Settings:
    """One training run, in words that both programs have."""

    seed: int = 42
    epochs: int = 1
    batch_size: int = 32
    max_steps: int = 0  # 0: all
    learning_rate: float = 2e-5
    warmup_ratio: float = 0.1
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    schedule: str = "linear"
    sampler: str = "default"
    scale: float = 20.0
    max_length: int = 128
    dropout: float | None = 0.0  # None: the model's own
    precision: str = "fp32"
    device: str = "cpu"  # or "cuda"
    query_prompt: str = ""
    document_prompt: str = ""
    column_prompts: tuple = ()  # instead of those two: one for each column
    accumulate: int = 1
    multi_dataset: str = "proportional"


@dataclasses.dataclass
class Run:
    """What the peer did: lists have one entry a step; with accumulation losses, batches and tokens
    one a batch.
    """

    losses: list = dataclasses.field(default_factory=list)
    learning_rates: list = dataclasses.field(default_factory=list)
    grad_norms: list = dataclasses.field(default_factory=list)
    seconds: list = dataclasses.field(default_factory=list)
    batches: list = dataclasses.field(default_factory=list)  # texts: one tuple of columns a row
    tokens: list = dataclasses.field(default_factory=list)  # without padding
    padded_tokens: list = dataclasses.field(default_factory=list)
    model: SentenceTransformer = None

    def weights(self):
        """The encoder's weights under the names of config.json's family, without a prefix."""
        state = getattr(self.model[0], "auto_model", self.model[0]).state_dict()
        return {
            name: value.detach().clone()
            for name, value in state.items()
            if value.is_floating_point()
        }


class _Watch(TrainerCallback):
    def __init__(self, run, look=None):
        self.run = run
        self.look = look
        self.began = 0.0

    def on_train_begin(self, args, state, control, **kwargs):
        self.began = time.perf_counter()

    def on_pre_optimizer_step(self, args, state, control, optimizer=None, **kwargs):
        self.run.learning_rates.append(float(optimizer.param_groups[0]["lr"]))
        if self.look:
            self.look(self.run.model)

    def on_step_end(self, args, state, control, **kwargs):
        now = time.perf_counter()
        self.run.seconds.append(now - self.began)
        self.began = now


def _key(batch):
    """Tells batches apart: the loader reads ahead, and may drop what it read at an epoch's end."""
    return tuple(
        value.cpu().numpy().tobytes()
        for name, value in sorted(batch.items())
        if name.endswith("input_ids")
    )


class _WatchedCollator:
    """The trainer's collator, with the rows and the key of each batch noted."""

    def __init__(self, inner):
        self.inner, self.rows = inner, {}

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def __call__(self, features):
        batch = self.inner(features)
        self.rows[_key(batch)] = [tuple(row.values()) for row in features]
        return batch


class _WatchedTrainer(SentenceTransformerTrainer):
    run: Run = None

    def add_model_card_callback(self, default_args_dict):
        """No model card: it draws a progress bar and computes nothing that is compared."""

    def compute_loss(self, model, inputs, *args, **kwargs):
        masks = [value for name, value in inputs.items() if name.endswith("attention_mask")]
        self.run.tokens.append(int(sum(int(mask.sum()) for mask in masks)))
        self.run.padded_tokens.append(int(sum(mask.numel() for mask in masks)))
        self.run.batches.append(self.data_collator.rows[_key(inputs)])
        result = super().compute_loss(model, inputs, *args, **kwargs)
        loss = result[0] if isinstance(result, tuple) else result
        self.run.losses.append(float(loss.detach()))
        return result

    def _clip_grad_norm(self, model):
        norm = super()._clip_grad_norm(model)
        self.run.grad_norms.append(float(norm))
        return norm


def load(directory, settings, **model_kwargs):
    """The model as attune's configuration describes it: its limit and dropout as asked."""
    config = {}
    if settings.dropout is not None:
        config = {
            "hidden_dropout_prob": settings.dropout,
            "attention_probs_dropout_prob": settings.dropout,
        }
    model = SentenceTransformer(
        str(directory),
        device=settings.device,
        config_kwargs=config,
        model_kwargs={"dtype": torch.float32} | model_kwargs,
    )
    if settings.max_length:  # a StaticEmbedding has no limit
        model.max_seq_length = settings.max_length
    return model


def column_names(row):
    return ["query", "positive"] + [f"negative_{i}" for i in range(1, len(row) - 1)]


def widest_row(sets):
    return max((rows[0] for rows in sets.values()), key=len)


def dataset_of(rows, labels=None):
    """Of rows, or of a dictionary of data sets by name; one that is there stays."""
    if isinstance(rows, Dataset):
        return rows
    if isinstance(rows, dict):
        return DatasetDict({name: dataset_of(part) for name, part in rows.items()})
    columns = {name: [row[i] for row in rows] for i, name in enumerate(column_names(rows[0]))}
    if labels is not None:
        columns["label"] = labels
    return Dataset.from_dict(columns)


def training_arguments(settings, scratch, **more):
    """The settings in the peer's words; `more` adds to them or replaces some."""
    asked = dict(
        output_dir=scratch,
        seed=settings.seed,
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        warmup_steps=settings.warmup_ratio,  # a fraction below 1 is a ratio of all steps
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        lr_scheduler_type=SCHEDULES[settings.schedule],
        batch_sampler=SAMPLERS[settings.sampler],
        multi_dataset_batch_sampler=settings.multi_dataset,
        gradient_accumulation_steps=settings.accumulate,
        bf16=settings.precision == "bf16",
        use_cpu=settings.device == "cpu",
        dataloader_pin_memory=False,
        report_to="none",
        save_strategy="no",
        eval_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    return SentenceTransformerTrainingArguments(**(asked | more))


def train(
    directory, rows, settings, loss=None, labels=None, prepare=None, rates=None, look=None,
    **model_kwargs,
):
    """Trains on rows (query, positive, negative, ...); loss(model) replaces the plain one, and
    labels, one number or list a row, are handed to it. prepare(model) freezes or adds what it
    likes; rates: the peer's learning_rate_mapping; look(model) sees the gradients of each step.
    """
    names = (
        rows.column_names
        if isinstance(rows, Dataset)
        else column_names(widest_row(rows) if isinstance(rows, dict) else rows[0])
    )
    dataset = dataset_of(rows, labels)
    model = load(directory, settings, **model_kwargs)
    run = Run(model=model)
    if prepare:
        prepare(model)
    prompts = None
    if settings.query_prompt or settings.document_prompt:
        prompts = {name: settings.document_prompt for name in names[1:]} | {
            names[0]: settings.query_prompt
        }
    if settings.column_prompts:
        prompts = dict(zip(names, settings.column_prompts, strict=True))
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(None):
        arguments = training_arguments(
            settings, scratch, prompts=prompts, learning_rate_mapping=rates
        )
        objective = (
            loss(model) if loss else MultipleNegativesRankingLoss(model, scale=settings.scale)
        )
        trainer = _WatchedTrainer(
            model=model,
            args=arguments,
            train_dataset=dataset,
            loss=objective,
            callbacks=[_Watch(run, look)],
        )
        trainer.run = run
        trainer.data_collator = _WatchedCollator(trainer.data_collator)
        trainer.train()
    model.eval()
    return run


def versions():
    """The peers' releases, for every table and every fixture."""
    import importlib.metadata as metadata

    names = ("sentence-transformers", "transformers", "tokenizers", "torch", "accelerate", "peft")
    return {name: metadata.version(name) for name in names}


def set_threads(count):
    torch.set_num_threads(count)


def quiet():
    """No progress bars: the table is the output."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
