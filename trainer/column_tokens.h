// The token ids of training rows, prompts and special tokens in: made when they are asked for, or
// with train.token_cache mapped from files that an earlier run over the same texts may have made
// (data/token_cache.h).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/qa_dataset.h"
#include "data/token_cache.h"
#include "models/embedding_model.h"

namespace attune {

class ColumnTokens {
 public:
  // `model` and `rows` outlive it; prompts: [columns]. An empty folder: nothing is kept.
  ColumnTokens(const EmbeddingModel& model, const TrainingRows& rows,
               const std::vector<std::string>& prompts, const std::string& cache_folder);
  // The ids of these rows' texts in one column. threads 0: all cores.
  TokenizedTexts of(std::int64_t column, std::span<const std::int64_t> rows, int threads) const;

 private:
  const EmbeddingModel& model_;
  const TrainingRows& rows_;
  const std::vector<std::string>& prompts_;
  std::vector<TokenCache> caches_;  // [columns], or none
};

}  // namespace attune
