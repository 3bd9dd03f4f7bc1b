// Exact nearest neighbours by cosine similarity.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <c10/core/Device.h>

#include "retrieval/hit.h"
#include "retrieval/unit_rows.h"

namespace attune {

// queries [n, dimension], row-major; tie_rank [m], a permutation of 0..m-1 for the m rows of the
// corpus. Returns for each query its min(k, m) best rows: score descending, equal scores by
// ascending tie_rank.
//
// A score is the dot product of the two vectors divided by their norms, summed in double in a fixed
// order and rounded to float. A row's score thus depends on its values alone: equal vectors tie
// exactly, and block_rows, threads and the matrix library change nothing. A vector of zeros has
// similarity 0 to everything; NaN or infinity in a query is an Error{kData} that names the row.
//
// Memory beside input and output: one divided copy of the queries and 128 x block_rows scores for
// each thread.
std::vector<std::vector<Hit>> exact_search(std::span<const float> queries, const UnitRows& corpus,
                                           int k, std::span<const std::int64_t> tie_rank,
                                           std::int64_t block_rows = 8192);

// The score that exact_search gives two vectors of finite numbers.
float cosine_similarity(std::span<const float> a, std::span<const float> b);

// The same as exact_search, bit for bit, with the products on `device` (a GPU): the corpus is sent
// block by block, what the products propose is scored here. The device holds the queries, one block
// and, of 128 x block_rows pairs, scores and proposals (at most 40 bytes a pair, where all are
// equal).
std::vector<std::vector<Hit>> exact_search_on(const at::Device& device,
                                              std::span<const float> queries,
                                              const UnitRows& corpus, int k,
                                              std::span<const std::int64_t> tie_rank,
                                              std::int64_t block_rows = 8192);

}  // namespace attune
