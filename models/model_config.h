// The settings of `model:`. No torch here.
#pragma once

#include <string>

#include "core/config_reader.h"

namespace attune {

struct PromptsConfig {
  bool given = false;  // not given: the base model's stored prompts
  std::string query, document;

  template <class Fields>
  void visit(Fields& f) {
    f.field("query", query, "put before every query, in training, evaluation and the saved model");
    f.field("document", document, "put before every passage");
    given = given || f.has("query") || f.has("document");
  }
};

struct ModelConfig {
  std::string base;
  int max_length = 0;
  PromptsConfig prompts;

  template <class Fields>
  void visit(Fields& f) {
    Constraint named = required();
    named.not_empty = true;
    f.field("base", base, "directory, local:DIR, or a name in the Hugging Face cache", named);
    f.field("max_length", max_length, "tokens a text is cut to; 0: the base model's limit",
            at_least(0));
    if (prompts.given || f.has("prompts"))
      f.section("prompts", prompts,
                "texts put in front; left out: those stored with the base model");
  }
};

}  // namespace attune
