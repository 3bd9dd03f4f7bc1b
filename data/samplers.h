// The order of training rows: a pure function of (seed, epoch, rows), equal to
// sentence-transformers 6.0.1 with accelerate and transformers 5.23
// (tests/oracles/make_sampler_fixtures.py asks their Trainer).
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "data/qa_dataset.h"

namespace attune {

// torch.Generator of the CPU: a 32-bit Mersenne Twister, seeded with the low 32 bits.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) { manual_seed(seed); }
  void manual_seed(std::uint64_t seed) { engine_.seed(static_cast<std::uint32_t>(seed)); }
  // torch.randperm(n, generator=...): Fisher-Yates. Refused from n = 214,748,364 on, where torch
  // draws 64 bits.
  std::vector<std::int64_t> randperm(std::int64_t n);

 private:
  std::mt19937 engine_;
};

using Batch = std::vector<std::int64_t>;  // rows
using Batches = std::vector<Batch>;       // of one epoch

// What a batch holds at most. It ends before the first row that does not fit; one row always does.
struct BatchLimit {
  int rows = 1;
  std::int64_t tokens = 0;                  // sum over the rows; 0: any
  std::span<const std::int64_t> lengths{};  // [rows] tokens of each row; with `tokens`
};

// The batches of one data set in one epoch. As in the peer, the samplers of several data sets draw
// from one generator, each when it needs to.
class BatchSampler {
 public:
  virtual ~BatchSampler() = default;
  // Batches of an epoch; it may end before, never after.
  virtual std::int64_t size() const = 0;
  // Empty after the last.
  virtual Batch next(Generator& generator) = 0;
};

// BatchSamplers.BATCH_SAMPLER: a permutation, cut. The last partial batch is kept.
std::unique_ptr<BatchSampler> default_sampler(std::int64_t num_rows, int batch_size);

// BatchSamplers.NO_DUPLICATES of 6.0.1: passes over a permutation drawn from `seed`; a row of which
// any text stands in the batch already waits for a later batch. A batch that cannot be filled from
// the rows that wait is short (the peer's drop_last=False), so with many duplicates there may be
// several short ones. As in the peer's Trainer an epoch has at most as many batches as rows cut
// without that rule: what still waits then (rows whose texts are too frequent to be kept apart) is
// left out of this epoch. Of `rows`, those from `first` to before `last`, numbered from 0.
std::unique_ptr<BatchSampler> no_duplicates_sampler(const TrainingRows& rows, std::int64_t first,
                                                    std::int64_t last, const BatchLimit& limit,
                                                    std::uint64_t seed);

// BatchSamplers.GROUP_BY_LABEL of 6.0.1: labels take turns, two rows each, in an order drawn anew
// every round, until fewer than two labels have rows left; a last batch of at least 4 rows is kept.
// So every batch holds at least two labels with at least two rows each. Rows that are left out: the
// odd last one of a label and what the commonest label has more than the next. `batch_size` is even
// and at least 4. Error{kData}, beginning with `name`, unless two labels have two rows.
std::unique_ptr<BatchSampler> group_by_label_sampler(std::span<const float> labels, int batch_size,
                                                     std::uint64_t seed, const std::string& name);

// Batches that are there already: for limits of tokens, which the peer does not have.
std::unique_ptr<BatchSampler> fixed_sampler(Batches batches);

// One epoch of one data set, drawn from a generator of that seed.
Batches all_batches(BatchSampler& sampler, std::uint64_t seed);

// MultiDatasetBatchSamplers.PROPORTIONAL: every batch of every data set, in random order.
// num_rows[i]: the rows of data set i begin after those of the sets before it.
Batches proportional_batches(std::span<const std::unique_ptr<BatchSampler>> samplers,
                             std::span<const std::int64_t> num_rows, std::uint64_t seed);

// MultiDatasetBatchSamplers.ROUND_ROBIN: a batch of each data set in turn, until the first of them
// has no more; in all at most the smallest size() times the number of data sets.
Batches round_robin_batches(std::span<const std::unique_ptr<BatchSampler>> samplers,
                            std::span<const std::int64_t> num_rows, std::uint64_t seed);

// A permutation drawn from `seed`, cut to the limit.
Batches random_batches(std::int64_t num_rows, const BatchLimit& limit, std::uint64_t seed);

// LlamaIndex's adapter engine: rows in their order, the same in every epoch.
Batches sequential_batches(std::int64_t num_rows, int batch_size);

}  // namespace attune
