// The settings of `adapter:`. No torch here.
#pragma once

#include <string>
#include <vector>

#include "core/config_reader.h"

namespace attune {

struct AdapterConfig {
  std::string type = "linear";
  bool bias = false;
  int hidden_features = 0;
  std::string activation = "relu";
  bool add_residual = true;
  int rank = 16;
  std::string sides = "query";
  int out_features = 0;
  std::vector<std::string> settings;
  std::string start, vectors;

  // An entry of `settings`, in "name=value".
  struct Setting {
    std::string name, value;
  };
  // What is wrong with `settings`; empty: nothing.
  std::string settings_mistake() const;
  static Setting split_setting(const std::string& entry);

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
    f.field("sides", sides,
            "query: documents and their index stay as they are; both: documents go through the "
            "adapter too, and their index is made anew",
            one_of({"query", "both"}));
    f.field("out_features", out_features,
            "numbers of a vector behind the adapter, at most the base's (with sides both); 0: as "
            "many",
            at_least(0));
    f.field("settings", settings,
            "of a registered type: a list of \"name=value\", given to its factory");
    f.field("start", start, "a saved adapter to go on from; the settings above are then its own");
    f.field("vectors", vectors,
            "folder that keeps the base's vectors, which several runs may share; left out: "
            "OUTPUT/vectors");
    const std::string own = "adapter.type is " + type;
    f.no_effect("bias", type != "linear", own);
    for (const char* key : {"hidden_features", "activation", "add_residual"})
      f.no_effect(key, type != "two_layer", own);
    f.no_effect("rank", type != "low_rank", own);
    if (out_features > 0 && sides == "query")
      f.mistake("out_features",
                "a query of " + std::to_string(out_features) +
                    " numbers does not fit the documents of the base: set adapter.sides to both "
                    "(the documents' index must then be made anew)");
    if (const std::string mistake = settings_mistake(); !mistake.empty())
      f.mistake("settings", mistake);
  }
};

}  // namespace attune
