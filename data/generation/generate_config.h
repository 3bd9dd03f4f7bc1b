// The `generate:` section of a configuration: questions for passages, and how they become data
// sets.
#pragma once

#include <string>
#include <vector>

#include "core/config_reader.h"
#include "data/generation/default_llm.h"
#include "data/generation/llm_config.h"
#include "data/generation/offline_generators.h"
#include "data/generation/question_datasets.h"
#include "data/generation/question_filters.h"

namespace attune {

struct GenerateConfig {
  std::string method = "offline";
  std::vector<std::string> generators = {"headings", "inverse_cloze"};
  int questions_per_passage = 2;
  int round_trip = 0;
  FilterConfig filters;
  bool has_llm = false;
  LlmConfig llm;
  SplitConfig split;

  template <class Fields>
  void visit(Fields& f) {
    f.field("method", method, "who asks: rules (offline) or a language model (llm)",
            one_of({"offline", "llm"}));
    std::vector<std::string> names;
    for (const OfflineGenerator& generator : offline_generators()) names.push_back(generator.name);
    Constraint known = one_of(names);
    known.not_empty = true;
    f.field("generators", generators, "the rules of method offline, in the order of preference",
            known);
    f.field("questions_per_passage", questions_per_passage, "at most", between(1, 100));
    f.field("round_trip", round_trip,
            "a question is kept if model.base finds its passage among so many, over all passages; "
            "0: all are kept",
            at_least(0));
    f.section("filters", filters, "which questions are dropped");
    has_llm = has_llm || f.has("llm");
    if (has_llm) f.section("llm", llm, "the language model of method llm");
    if (method == "llm" && !has_llm) {
      if (const auto chosen = default_llm()) {
        llm = *chosen;
        has_llm = true;
      } else {
        f.mistake("method",
                  "generate.method llm without a language model: give generate.llm, or export "
                  "ATTUNE_LLM=MODEL@https://HOST/v1?api_key_env=NAME");
      }
    }
    split.visit(f);
    f.no_effect("generators", method != "offline", "generate.method is " + method);
    f.no_effect("llm", method != "llm", "generate.method is " + method);
    f.no_effect("test_share", !split.question_pages.empty(),
                "the test is made of generate.question_pages");
  }
};

}  // namespace attune
