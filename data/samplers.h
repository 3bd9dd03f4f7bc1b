// The order of training rows: a pure function of (seed, epoch), equal to
// sentence-transformers 6.0.1 with accelerate and transformers 5.23
// (tests/oracles/make_sampler_fixtures.py asks their Trainer).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/qa_dataset.h"

namespace attune {

// torch.randperm(n, generator=torch.Generator().manual_seed(seed)) on the CPU: Fisher-Yates over a
// 32-bit Mersenne Twister. Refused from n = 214,748,364 on, where torch draws 64 bits.
std::vector<std::int64_t> randperm(std::int64_t n, std::uint64_t seed);

using Batches = std::vector<std::vector<std::int64_t>>;  // rows of each batch of one epoch

// BatchSamplers.BATCH_SAMPLER: randperm seeded seed + epoch, as accelerate's SeedableRandomSampler
// does; the peer's seed is TrainingArguments.seed (42). The last partial batch is kept.
Batches default_batches(std::int64_t num_rows, int batch_size, std::uint64_t seed, int epoch);

// BatchSamplers.NO_DUPLICATES of 6.0.1: passes over randperm(n, seed + epoch); a row of which any
// text stands in the batch already waits for a later batch. A batch that cannot be filled from the
// rows that wait is short (the peer's drop_last=False), so with many duplicates there may be
// several short ones. As in the peer's Trainer an epoch has at most ceil(n / batch_size) batches:
// what still waits then (rows whose texts are too frequent to be kept apart) is left out of this
// epoch. To equal the peer, pass seed 0 whatever the training's seed is: its sampler never receives
// args.seed (that of 6.2.0 does).
Batches no_duplicates_batches(const TrainingRows& rows, int batch_size, std::uint64_t seed,
                              int epoch);

// LlamaIndex's adapter engine: rows in their order, the same in every epoch.
Batches sequential_batches(std::int64_t num_rows, int batch_size);

}  // namespace attune
