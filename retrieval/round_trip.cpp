#include "retrieval/round_trip.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/progress.h"
#include "retrieval/exact_search.h"

namespace attune {
namespace {

// Passages held as found at a time: 64 MiB of them, however large k is.
constexpr std::int64_t kMaxHits = std::int64_t{1} << 22;

}  // namespace

RoundTrip keep_round_trip(const BaseEmbedding& model, std::span<const std::string_view> questions,
                          std::span<const std::int64_t> passage_of,
                          std::span<const std::string_view> passages, int k,
                          std::int64_t block_questions) {
  ATTUNE_ASSERT(questions.size() == passage_of.size() && block_questions >= 1);
  if (k < 1)
    throw_error(ErrorKind::kConfig, "the round trip's k is ", k,
                "; the own passage is among the first k, at least 1");
  for (const std::int64_t row : passage_of) ATTUNE_ASSERT(row >= 0 && row < std::ssize(passages));
  RoundTrip result;
  result.keep.resize(questions.size());
  if (questions.empty()) return result;

  const int dimension = model.dimension();
  const std::vector<float> vectors = model.get_text_embedding_batch(passages);
  const UnitRows corpus(vectors, dimension);
  std::vector<std::int64_t> order(passages.size());
  std::iota(order.begin(), order.end(), 0);
  const std::int64_t count = std::ssize(questions);
  const int depth = static_cast<int>(std::min<std::int64_t>(k, std::ssize(passages)));
  const std::int64_t block = std::clamp<std::int64_t>(kMaxHits / depth, 1, block_questions);
  Progress progress("round trip of questions", count);
  for (std::int64_t first = 0; first < count; first += block) {
    const std::int64_t rows = std::min(block, count - first);
    const std::vector<float> asked =
        model.get_query_embedding_batch(questions.subspan(first, rows));
    const auto hits = exact_search(asked, corpus, depth, order);
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t own = passage_of[first + i];
      const float own_score =
          cosine_similarity(std::span(asked).subspan(i * dimension, dimension),
                            std::span(vectors).subspan(own * dimension, dimension));
      const bool kept = own_score >= hits[i].back().score;
      result.keep[first + i] = kept;
      ++(kept ? result.kept : result.dropped);
    }
    progress.update(first + rows);
  }
  return result;
}

}  // namespace attune
