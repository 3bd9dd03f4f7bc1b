#include "pipeline/report/data_facts.h"

#include <algorithm>
#include <unordered_map>

#include "data/chunks/words.h"
#include "data/training_data.h"

namespace attune {
namespace {

constexpr std::int64_t kSample = 2000;

// Every n-th row, so that all parts of the set are in it.
std::vector<std::int64_t> sample_rows(std::int64_t rows) {
  const std::int64_t step = std::max<std::int64_t>(1, (rows + kSample - 1) / kSample);
  std::vector<std::int64_t> sample;
  for (std::int64_t row = 0; row < rows; row += step) sample.push_back(row);
  return sample;
}

double median_words(const TextTable& texts) {
  std::vector<std::int64_t> words;
  for (const std::int64_t row : sample_rows(texts.size()))
    words.push_back(count_words(texts.text(row)));
  if (words.empty()) return 0;
  const auto middle = words.begin() + std::ssize(words) / 2;
  std::nth_element(words.begin(), middle, words.end());
  return static_cast<double>(*middle);
}

std::optional<double> share_cut(const TextTable& texts, const TextLimits& limits,
                                const std::string& prompt) {
  if (!limits.tokenizer || limits.max_length < 1 || texts.size() == 0) return std::nullopt;
  const std::vector<std::int64_t> sample = sample_rows(texts.size());
  std::int64_t cut = 0;
  std::vector<std::int32_t> ids;
  for (const std::int64_t row : sample) {
    ids.clear();
    limits.tokenizer->encode(prompt, texts.text(row), limits.max_length + 1, ids);
    cut += std::ssize(ids) > limits.max_length ? 1 : 0;
  }
  return static_cast<double>(cut) / static_cast<double>(sample.size());
}

double probability_of_shared_answer(const TrainingRows& rows) {
  const auto n = static_cast<double>(rows.num_rows());
  if (n < 2 || rows.document_id.empty()) return 0;
  std::unordered_map<std::int64_t, std::int64_t> rows_of;
  for (const std::int64_t passage : rows.document_id[0]) ++rows_of[passage];
  double pairs = 0;
  for (const auto& [passage, count] : rows_of)
    pairs += static_cast<double>(count) * static_cast<double>(count - 1);
  return pairs / (n * (n - 1));
}

std::optional<double> weighted(std::optional<double> a, double weight_a, std::optional<double> b,
                               double weight_b) {
  if (!a || !b || weight_a + weight_b == 0) return a ? a : b;
  return (*a * weight_a + *b * weight_b) / (weight_a + weight_b);
}

}  // namespace

DataFacts data_facts(const std::string& path, const TextLimits& limits, bool use_all_docs) {
  const TrainingData data = TrainingData::load(path);
  const TrainingRows rows = data.rows(use_all_docs && !data.table, "");
  DataFacts facts;
  facts.file = path;
  facts.queries = data.dataset.queries.size();
  facts.passages = data.dataset.corpus.size();
  facts.pairs = rows.num_rows();
  facts.query_words = median_words(data.dataset.queries);
  facts.passage_words = median_words(data.dataset.corpus);
  facts.cut_queries = share_cut(data.dataset.queries, limits, limits.query_prompt);
  facts.cut_passages = share_cut(data.dataset.corpus, limits, limits.document_prompt);
  facts.shared_answer = probability_of_shared_answer(rows);
  return facts;
}

DataFacts joined_facts(const std::vector<DataFacts>& parts) {
  DataFacts joined;
  for (const DataFacts& part : parts) {
    const auto before = static_cast<double>(joined.pairs), added = static_cast<double>(part.pairs);
    joined.cut_queries = weighted(joined.cut_queries, before, part.cut_queries, added);
    joined.cut_passages = weighted(joined.cut_passages, before, part.cut_passages, added);
    const double query_words = *weighted(joined.query_words, before, part.query_words, added);
    const double passage_words = *weighted(joined.passage_words, before, part.passage_words, added);
    const double shared = *weighted(joined.shared_answer, before, part.shared_answer, added);
    joined.query_words = query_words;
    joined.passage_words = passage_words;
    joined.shared_answer = shared;
    joined.file += (joined.file.empty() ? "" : ", ") + part.file;
    joined.queries += part.queries;
    joined.passages += part.passages;
    joined.pairs += part.pairs;
  }
  return joined;
}

}  // namespace attune
