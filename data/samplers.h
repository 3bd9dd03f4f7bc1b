// The order of training rows: a pure function of (seed, epoch), equal to sentence-transformers 6.0.1.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/qa_dataset.h"

namespace attune {

// torch.randperm(n, generator=torch.Generator().manual_seed(seed)) on the CPU.
std::vector<std::int64_t> randperm(std::int64_t n, std::uint64_t seed);

using Batches = std::vector<std::vector<std::int64_t>>;  // rows of each batch of one epoch

// BatchSamplers.BATCH_SAMPLER: randperm seeded seed + epoch; the last partial batch is kept.
Batches default_batches(std::int64_t num_rows, int batch_size, std::uint64_t seed, int epoch);

// BatchSamplers.NO_DUPLICATES of 6.0.1: one pass over randperm(n, seed + epoch); a row of which any text
// stands in the batch already waits for a later batch. The peer seeds with 0 there (its 6.2.0 with
// args.seed); the caller decides. A batch that cannot be filled is left out, as with the peer's
// drop_last=False: only the last may be short.
Batches no_duplicates_batches(const TrainingRows& rows, int batch_size, std::uint64_t seed, int epoch);

}  // namespace attune
