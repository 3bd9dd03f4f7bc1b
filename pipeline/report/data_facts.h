// What a report says of a data set.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/tokenizers/tokenizer.h"

namespace attune {

// How the run's model reads texts; without a tokenizer no lengths in tokens are told.
struct TextLimits {
  std::unique_ptr<Tokenizer> tokenizer;
  int max_length = 0;  // tokens, special ones in
  std::string query_prompt, document_prompt;
};

struct DataFacts {
  std::string file;
  std::int64_t queries = 0, passages = 0, pairs = 0;
  double query_words = 0, passage_words = 0;  // medians
  // Of a sample of at most 2,000 each, spread over the set: the share that is longer than the
  // model's limit, so that its end is not read.
  std::optional<double> cut_queries, cut_passages;
  // That two different pairs, drawn at random, have one passage as their answer.
  double shared_answer = 0;
};

// Any format of training data (data/dataset_formats.h). `use_all_docs`: every passage of a query
// makes a pair, not the first alone (train.use_all_docs). Error{kData} as loading it.
DataFacts data_facts(const std::string& path, const TextLimits& limits, bool use_all_docs);

// Several sets trained on together: counts are summed, shares weighted by them.
DataFacts joined_facts(const std::vector<DataFacts>& parts);

}  // namespace attune
