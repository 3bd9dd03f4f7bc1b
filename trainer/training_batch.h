// What one optimizer step works on.
#pragma once

#include <cstdint>
#include <vector>

#include "data/packed_batch.h"

namespace attune {

// What a loss may know besides the vectors.
struct TrainingBatch {
  std::int64_t step = 0;  // 0-based
  int rows = 0;
  int columns = 0;  // query, positive, negative_1, ...
  // [columns * rows], column by column: the sequence whose vector stands there. Two places may
  // share one.
  std::vector<std::int64_t> sequence_of;
  std::vector<std::int64_t> document_id;  // [rows] corpus row of the positive
  // [rows] every corpus row relevant to the query; only where a loss asks for the whole corpus.
  std::vector<std::vector<std::int64_t>> relevant;
};

// The chunk plan: plain training is one chunk; several are embedded one after the other
// (GradCache).
struct StepPlan {
  std::vector<PackedBatch> chunks;  // sequences in order: chunk 0's, chunk 1's, ...
  TrainingBatch batch;
  double epoch = 0;  // passes done after this step, 1.5 = one and a half
  bool ends_epoch = false;
};

// A pure function of the step, so that a resumed run sees the same batches.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  virtual StepPlan at(std::int64_t step) const = 0;
  virtual std::int64_t steps() const = 0;
  // Rows of the data set's queries in that step, to name them in a message.
  virtual std::vector<std::int64_t> queries_of(std::int64_t /*step*/) const { return {}; }
};

}  // namespace attune
