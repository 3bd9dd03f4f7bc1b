#include "retrieval/model_cost.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <string_view>
#include <vector>

#include "models/job_model.h"
#include "models/model_directory.h"
#include "models/peak_memory.h"

namespace attune {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The smallest value that `share` of them do not exceed.
double quantile(const std::vector<double>& ascending, double share) {
  const auto count = static_cast<double>(ascending.size());
  return ascending[static_cast<std::size_t>(std::max(1.0, std::ceil(share * count))) - 1];
}

void time_queries(const BaseEmbedding& model, const TextTable& queries, ModelCost& cost) {
  constexpr std::int64_t kWarmUp = 3, kMost = 100;
  for (std::int64_t i = 0; i < kWarmUp && queries.size() > 0; ++i)
    model.get_query_embedding(queries.text(i % queries.size()));
  std::vector<double> milliseconds;
  const Clock::time_point begin = Clock::now();
  for (std::int64_t row = 0; row < std::min(kMost, queries.size()); ++row) {
    const Clock::time_point start = Clock::now();
    model.get_query_embedding(queries.text(row));
    milliseconds.push_back(1000 * seconds_since(start));
    if (seconds_since(begin) > 1) break;
  }
  if (milliseconds.empty()) return;
  std::sort(milliseconds.begin(), milliseconds.end());
  cost.query_ms_p50 = quantile(milliseconds, 0.5);
  cost.query_ms_p95 = quantile(milliseconds, 0.95);
}

void time_passages(const BaseEmbedding& model, const TextTable& corpus, ModelCost& cost) {
  constexpr std::size_t kMost = 128;
  std::vector<std::string_view> passages(corpus.texts().begin(), corpus.texts().end());
  passages.resize(std::min(passages.size(), kMost));
  if (passages.empty()) return;
  const Clock::time_point start = Clock::now();
  model.get_text_embedding_batch(passages);
  cost.passages_per_second = static_cast<double>(passages.size()) / seconds_since(start);
}

}  // namespace

std::int64_t bytes_below(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code failed;
  std::int64_t bytes = 0;
  for (auto entry = fs::recursive_directory_iterator(folder, failed);
       !failed && entry != fs::recursive_directory_iterator(); entry.increment(failed)) {
    std::error_code ignored;
    if (!entry->is_regular_file(ignored)) continue;
    const std::uintmax_t size = entry->file_size(ignored);
    if (!ignored) bytes += static_cast<std::int64_t>(size);
  }
  return bytes;
}

MeasuredModel load_measured(const std::string& model, const EmbedOptions& options,
                            const EmbeddingQAFinetuneDataset& dataset) {
  MeasuredModel measured;
  const PeakMemory memory;
  measured.model = resolve_embed_model(model, options);
  time_queries(*measured.model, dataset.queries, measured.cost);
  time_passages(*measured.model, dataset.corpus, measured.cost);
  measured.cost.memory_bytes = memory.bytes();
  if (names_directory(model)) measured.cost.disk_bytes = bytes_below(resolve_model_path(model));
  return measured;
}

}  // namespace attune
