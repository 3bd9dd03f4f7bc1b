#include "trainer/column_tokens.h"

#include <string_view>

#include "core/error.h"
#include "core/log.h"

namespace attune {

ColumnTokens::ColumnTokens(const EmbeddingModel& model, const TrainingRows& rows,
                           const std::vector<std::string>& prompts, const std::string& cache_folder)
    : model_(model), rows_(rows), prompts_(prompts) {
  if (cache_folder.empty()) return;
  std::int64_t built = 0;
  for (std::size_t column = 0; column < rows.columns.size(); ++column) {
    const auto texts = [&](const auto& take) { take(std::span(rows.columns[column])); };
    caches_.emplace_back(cache_folder, model.tokenizer(), prompts[column], model.max_length(),
                         texts);
    built += caches_.back().was_built() ? 1 : 0;
  }
  log_info(str_cat("train: token ids of ", caches_.size(), " columns in ", cache_folder, ", ",
                   built, " of them made now"));
}

TokenizedTexts ColumnTokens::of(std::int64_t column, std::span<const std::int64_t> rows,
                                int threads) const {
  if (caches_.empty()) {
    std::vector<std::string_view> texts;
    for (const std::int64_t row : rows) texts.push_back(rows_.columns[column][row]);
    return model_.tokenize(prompts_[column], texts, threads);
  }
  TokenizedTexts tokens;
  for (const std::int64_t row : rows) {
    const std::span<const std::int32_t> ids = caches_[column][row];
    if (ids.empty())  // refuses the text
      model_.tokenize(prompts_[column], std::span(&rows_.columns[column][row], 1), 1);
    tokens.ids.insert(tokens.ids.end(), ids.begin(), ids.end());
    tokens.offsets.push_back(std::ssize(tokens.ids));
  }
  return tokens;
}

}  // namespace attune
