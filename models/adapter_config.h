// The settings of `adapter:`. No torch here.
#pragma once

#include <string>

#include "core/config_reader.h"

namespace attune {

struct AdapterConfig {
  std::string type = "linear";
  bool bias = false;
  int hidden_features = 0;
  std::string activation = "relu";
  bool add_residual = true;
  int rank = 16;
  std::string start;

  template <class Fields>
  void visit(Fields& f) {
    Constraint named;
    named.not_empty = true;
    f.field("type", type, "linear, two_layer, low_rank, or a registered name", named);
    f.field("bias", bias, "of linear");
    f.field("hidden_features", hidden_features, "width of two_layer's middle; 0: the vectors' own",
            at_least(0));
    f.field("activation", activation, "of two_layer",
            one_of({"relu", "sigmoid", "tanh", "leaky_relu"}));
    f.field("add_residual", add_residual, "two_layer starts as the identity; without, at random");
    f.field("rank", rank, "of low_rank", at_least(1));
    f.field("start", start, "a saved adapter to go on from; the settings above are then its own");
  }
};

}  // namespace attune
