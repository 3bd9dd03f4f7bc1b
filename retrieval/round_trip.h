// The round-trip filter: a question is kept only if its passage is found again by it. After Alberti
// et al. 2019 (arXiv:1906.05416), who ask whether a reader gives the answer back, and PROMPTAGATOR
// (Dai et al. 2023, arXiv:2209.11755), who ask whether a retriever ranks the passage among the
// first k of all, with k 1.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <attune/base_embedding.h>

namespace attune {

struct RoundTrip {
  std::vector<bool> keep;  // [questions]
  std::int64_t kept = 0, dropped = 0;
};

// passage_of: [questions] which of `passages` a question was made for. Kept: fewer than k passages
// score higher (cosine) than its own, so passages of equal text do not drop each other's questions.
// Questions and passages get the model's prompts for queries and texts.
//
// Memory beside the texts: a vector for each passage, and the vectors and k hits of block_questions
// questions at a time. Error{kData}: NaN from the model; k below 1 is an Error{kConfig}.
RoundTrip keep_round_trip(const BaseEmbedding& model, std::span<const std::string_view> questions,
                          std::span<const std::int64_t> passage_of,
                          std::span<const std::string_view> passages, int k,
                          std::int64_t block_questions = 4096);

}  // namespace attune
