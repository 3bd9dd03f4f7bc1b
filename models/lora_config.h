// The settings of `train.lora:`. No torch here.
#pragma once

#include <string>
#include <vector>

#include "core/config_reader.h"

namespace attune {

struct LoraConfig {
  int rank = 0;
  double alpha = 16;
  double dropout = 0;
  std::vector<std::string> targets = {"query", "value"};
  std::string save = "merged";
  std::string start;

  bool on() const { return rank > 0 || !start.empty(); }

  template <class Fields>
  void visit(Fields& f) {
    Constraint probability = at_least(0);
    probability.maximum = 0.999;
    Constraint named;
    named.not_empty = true;
    f.field("rank", rank, "of the added matrices; 0: no LoRA, weights themselves are trained",
            at_least(0));
    f.field("alpha", alpha, "their product is multiplied by alpha / rank", above(0));
    f.field("dropout", dropout, "of their inputs; train.dropout does not change it", probability);
    f.field("targets", targets,
            "linear layers: query, key, value, of any family; others by the ends of their names, "
            "such as BERT's attention.output.dense, intermediate.dense, output.dense; or "
            "all-linear",
            named);
    f.field("save", save,
            "merged: a whole model; peft: the added matrices alone, as Python's peft does",
            one_of({"merged", "peft"}));
    f.field("start", start,
            "a PEFT directory to go on from; rank, alpha and targets are then its own");
    for (const char* key : {"alpha", "dropout", "targets"})
      f.no_effect(key, !on(), "there is no LoRA without train.lora.rank or train.lora.start");
    for (const char* key : {"rank", "alpha", "targets"})
      f.no_effect(key, !start.empty(), "train.lora.start has its own");
  }
};

}  // namespace attune
