// The settings of training, read from `train:` (docs/configuration.md is made from this list). No
// torch here: the small `attune` program checks configurations without loading it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/config_reader.h"
#include "models/lora_config.h"
#include "trainer/loss_config.h"

namespace attune {

// `PATTERN=FACTOR` of train.rates.
struct RateRule {
  std::string pattern;
  double factor = 1;
};

struct TrainConfig {
  std::string mode = "full";
  int epochs = 2;
  int batch_size = 32;
  double learning_rate = 2e-5;
  double warmup_ratio = 0.1;
  double weight_decay = 0.01;
  double max_grad_norm = 1.0;
  std::string precision = "fp32";
  std::string dropout = "model";
  std::string sampler = "no_duplicates";
  std::string multi_dataset = "proportional";
  int batch_tokens = 0;
  int accumulate = 1;
  std::string schedule = "linear";
  int max_steps = 0;
  int evaluate_steps = 0;
  int checkpoint_steps = 0;
  int keep_checkpoints = 2;
  int patience = 0;
  std::string on_nonfinite = "raise";
  bool tensorboard = false;
  std::string token_cache;
  int chunk_tokens = 0;
  bool recompute = false;
  bool deterministic = false;
  bool use_all_docs = false;
  std::vector<std::string> negatives;
  std::string parity = "none";
  int last_layers = 0;
  bool freeze_embeddings = false;
  std::vector<std::string> rates;
  LoraConfig lora;
  LossConfig loss;

  template <class Fields>
  void visit(Fields& f) {
    f.field("mode", mode,
            "full: every weight of the encoder; adapter: a small network behind it, for queries "
            "only (section adapter)",
            one_of({"full", "adapter"}));
    f.field("epochs", epochs, "passes over the pairs", between(1, 100000));
    f.field("batch_size", batch_size, "pairs in a step; the others' passages are the negatives",
            between(2, 1000000));
    f.field("learning_rate", learning_rate, "highest rate, after warm-up", above(0));
    f.field("warmup_ratio", warmup_ratio, "share of the steps in which the rate rises from 0",
            between(0, 1));
    f.field(
        "weight_decay", weight_decay,
        "AdamW's, on matrices only (not biases, not LayerNorms); of an adapter towards its start",
        at_least(0));
    f.field("max_grad_norm", max_grad_norm,
            "gradients are scaled down to this global norm; 0: never", at_least(0));
    f.field("precision", precision,
            "of the linear layers' inputs, with mode adapter the base model's; weights and sums "
            "are fp32",
            one_of({"fp32", "bf16"}));
    f.field("dropout", dropout,
            "model: the probabilities of config.json; or one number for both, 0 for none");
    f.field("sampler", sampler,
            "default: every row in random order; no_duplicates: no text twice in a batch; "
            "group_by_label: at least two rows of each of at least two labels in a batch",
            one_of({"default", "no_duplicates", "group_by_label"}));
    f.field("multi_dataset", multi_dataset,
            "with several data sets, of which every batch takes one: proportional: all their "
            "batches in random order; round_robin: in turn, until the smallest has no more",
            one_of({"proportional", "round_robin"}));
    f.field("batch_tokens", batch_tokens,
            "tokens of a batch at most, so batches hold fewer rows where texts are long, and rows "
            "have fewer in-batch negatives; 0: batch_size alone",
            at_least(0));
    f.field("accumulate", accumulate,
            "batches whose gradients are averaged before a step; in-batch negatives come from a "
            "row's own batch alone (chunk_tokens is what keeps them all in bounded memory)",
            between(1, 100000));
    f.field("schedule", schedule, "of the learning rate after warm-up",
            one_of({"linear", "cosine", "constant"}));
    f.field("max_steps", max_steps, "stop after so many steps; 0: all epochs", at_least(0));
    f.field("evaluate_steps", evaluate_steps,
            "with data.validation: evaluate every so many steps and keep the best model; 0: once "
            "an epoch",
            at_least(0));
    f.field("checkpoint_steps", checkpoint_steps,
            "save a resumable checkpoint every so many steps; 0: never", at_least(0));
    f.field("keep_checkpoints", keep_checkpoints,
            "newest ones that stay on disk; the best weights are in each of them", at_least(1));
    f.field("patience", patience,
            "with data.validation: end after so many evaluations in a row without a better one, "
            "with the best model; 0: never",
            at_least(0));
    f.field("on_nonfinite", on_nonfinite,
            "a loss or gradient that is NaN or infinite: raise ends the run; skip leaves the "
            "step out (ten in a row end it); rollback goes back to the newest checkpoint, or the "
            "start, and leaves the step out when it comes again",
            one_of({"raise", "skip", "rollback"}));
    f.field("token_cache", token_cache,
            "folder that keeps the texts' token ids for further runs over them; left out: texts "
            "are tokenised in each step");
    f.field("tensorboard", tensorboard, "also write OUTPUT/tensorboard/events.out.tfevents.*");
    f.field("chunk_tokens", chunk_tokens,
            "tokens embedded at a time (GradCache): bounds memory, same loss; 0: the whole "
            "batch where the memory allows, else chunks that fit",
            at_least(0));
    f.field("recompute", recompute,
            "layers keep only their input and are computed again in backward: a third of the "
            "memory for a third more time, same numbers");
    f.field("deterministic", deterministic,
            "on a GPU: only algorithms that give equal bits in every run, at some cost; on the "
            "processor it is always so");
    f.field("use_all_docs", use_all_docs, "one row per relevant passage rather than per query");
    f.field("negatives", negatives,
            "JSONL of hard negatives: {\"query_id\": ..., \"negatives\": [passage ids]}; with "
            "several data sets a list, one for each, \"\" for none",
            list_or_one());
    f.field("parity", parity,
            "llamaindex: an adapter is trained as LlamaIndex's engine does (rows in their order, "
            "weights decayed towards 0)",
            one_of({"none", "llamaindex"}));
    f.field("last_layers", last_layers,
            "train the encoder's last so many layers alone (and Dense modules); 0: all",
            at_least(0));
    f.field("freeze_embeddings", freeze_embeddings,
            "the embedding tables and their LayerNorm stay as they are");
    f.field("rates", rates,
            "PATTERN=FACTOR: learning rate of the tensors (names of the file, * and ? and [...] as "
            "in fnmatch) times FACTOR; 0 freezes them; the first that matches holds");
    f.section("lora", lora, "low rank matrices beside the weights are trained instead of them");
    f.section("loss", loss, "the training objective");
    f.no_effect("keep_checkpoints", checkpoint_steps == 0 && on_nonfinite != "rollback",
                "no checkpoint is saved without train.checkpoint_steps");
    for (const char* key : {"recompute", "dropout"})
      f.no_effect(key, mode == "adapter", "the encoder is not trained with train.mode adapter");
    if (sampler == "group_by_label" && (batch_size < 4 || batch_size % 2 == 1))
      f.mistake("batch_size",
                "train.sampler group_by_label takes an even batch_size of at least 4");
    if (batch_tokens > 0 && sampler == "group_by_label")
      f.mistake("batch_tokens", "train.batch_tokens does not go with train.sampler group_by_label");
    if (batch_tokens > 0 && mode == "adapter")
      f.mistake("batch_tokens",
                "train.batch_tokens counts tokens, and an adapter trains on vectors: batch_size");
    if (dropout != "model" && !dropout_probability())
      f.mistake("dropout", "'" + dropout + "' is neither 'model' nor a number from 0 to below 1");
    if (rate_rules().size() != rates.size())
      f.mistake("rates", "expected entries PATTERN=FACTOR, FACTOR a number of at least 0");
  }

  // Of `rates`; entries that are none are left out, visit() reports them.
  std::vector<RateRule> rate_rules() const;
  // The settings that decide the numbers of a run; the others at their defaults.
  TrainConfig deciding() const;

  // None: the model's own. Also none for a text that is no probability; visit() reports that.
  std::optional<double> dropout_probability() const;
};

}  // namespace attune
