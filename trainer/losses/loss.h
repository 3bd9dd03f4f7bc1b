// A loss takes vectors and returns its value and the gradient on the vectors; it never owns a graph
// across the encoder. So every loss works with any chunk plan. A new loss is one file pair beside
// this one, one line in losses/registry.cpp and one in loss_config.cpp.
#pragma once

#include <memory>

#include <ATen/core/Tensor.h>

#include "trainer/loss_config.h"
#include "trainer/training_batch.h"

namespace attune {

struct LossOutput {
  at::Tensor value;     // 0-dim, of the vectors' type and device
  at::Tensor gradient;  // [sequences, d]: d value / d vectors
};

class Loss {
 public:
  virtual ~Loss() = default;
  // vectors [sequences, d] fp32, as the encoder gave them; batch.sequence_of says where each
  // stands.
  virtual LossOutput evaluate(const at::Tensor& vectors, const TrainingBatch& batch) const = 0;
  // Error{kData} where rows of this shape have not the columns or labels that this loss reads,
  // Error{kConfig} where vectors of this dimension do not fit its settings.
  virtual void check(const RowSource& rows, int dimension) const = 0;
  // Whether a row is told apart from the others of its batch: a single one then teaches nothing.
  virtual bool contrasts_rows() const { return false; }
  // Memory that evaluate() takes at most. Here: 4 matrices [rows, passages] fp32.
  virtual double bytes(const TrainingBatch& batch) const;
  // evaluate() reads nothing of the batch but rows, columns and the places on the device, so its
  // work on a GPU can be recorded for other batches of the shape (trainer/step_graphs.h).
  virtual bool reads_places_alone() const { return false; }
};

// By LossConfig::type; all but corpus, which needs the passages' vectors.
std::unique_ptr<Loss> make_loss(const LossConfig& config);

// loss.check() of each data set that the rows are of.
void check_rows(const Loss& loss, const TrainingRows& rows, int dimension);

// Error{kData} unless the rows have `least` to `most` columns (0: any number).
void check_columns(const RowSource& rows, const char* loss, int least, int most = 0);
// Error{kData} unless every row has `count` labels; `meaning` says what they are.
void check_labels(const RowSource& rows, const char* loss, int count, const char* meaning);

}  // namespace attune
