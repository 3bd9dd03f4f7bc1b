// The settings of `model:`. No torch here.
#pragma once

#include <string>
#include <vector>

#include "core/config_reader.h"

namespace attune {

struct PromptsConfig {
  bool given = false;  // not given: the base model's stored prompts
  std::string query, document;
  std::vector<std::string> columns;

  template <class Fields>
  void visit(Fields& f) {
    f.field("query", query, "put before every query, in training, evaluation and the saved model");
    f.field("document", document, "put before every passage");
    f.field("columns", columns,
            "instead of both: put before the texts of each column of the training rows; the first "
            "is the query's, the second the document's");
    given = given || f.has("query") || f.has("document") || f.has("columns");
    if (!columns.empty() && ((!query.empty() && query != query_text()) ||
                             (!document.empty() && document != document_text())))
      f.mistake("columns",
                "model.prompts.columns says query and document too: give either it or those");
  }

  // Saved as "query" and "document", and used by evaluation; the prompts of further columns are
  // saved as "negative_1", "negative_2", ...
  const std::string& query_text() const { return columns.empty() ? query : columns[0]; }
  const std::string& document_text() const {
    return columns.empty() ? document : columns[columns.size() > 1 ? 1 : 0];
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
