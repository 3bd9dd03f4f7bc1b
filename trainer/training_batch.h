// What one optimizer step works on.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "data/packed_batch.h"
#include "data/qa_dataset.h"

namespace attune {

// What a loss may know besides the vectors.
struct TrainingBatch {
  std::int64_t step = 0;  // 0-based
  int rows = 0;
  int columns = 0;  // query, positive, negative_1, ...
  // [columns * rows], column by column: the sequence whose vector stands there. Two places may
  // share one.
  std::vector<std::int64_t> sequence_of;
  at::Tensor places;              // the same on the device, int64; undefined: not there yet
  std::vector<std::int64_t> row;  // [rows] of the training rows
  // [(columns - 1) * rows], column by column: the passage of each place; equal numbers are equal
  // passages
  std::vector<std::int64_t> document_id;
  std::vector<std::vector<std::int64_t>> relevant;  // [rows] every passage that answers the query
  std::vector<float> labels;                        // [rows * labels_per_row]
  int labels_per_row = 0;
  at::Tensor guide;  // [columns * rows, g] fp32, by place: a guide model's vectors, if there is one
};

// Of rows of one data set: everything but sequence_of and the guide.
TrainingBatch describe_rows(const TrainingRows& rows, std::int64_t step,
                            const std::vector<std::int64_t>& chosen);

// The chunk plan: plain training is one chunk; several are embedded one after the other
// (GradCache).
struct BatchPlan {
  std::vector<PackedBatch> chunks;  // sequences in order: chunk 0's, chunk 1's, ...
  TrainingBatch batch;
};

struct StepPlan : BatchPlan {
  // The step's other batches, with train.accumulate. Each has a loss of its own; the step goes by
  // the mean of them all.
  std::vector<BatchPlan> more;
  double epoch = 0;  // passes done after this step, 1.5 = one and a half
  bool ends_epoch = false;
};

// Of the first batch of the step, then of the others.
template <class Plan, class Visit>
void for_each_batch(Plan& plan, const Visit& visit) {
  visit(plan);
  for (auto& batch : plan.more) visit(batch);
}

// A pure function of the step, so that a resumed run sees the same batches.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  virtual StepPlan at(std::int64_t step) const = 0;
  virtual std::int64_t steps() const = 0;
  // Training rows of that step, to name them in a message.
  virtual std::vector<std::int64_t> rows_of(std::int64_t /*step*/) const { return {}; }
};

}  // namespace attune
