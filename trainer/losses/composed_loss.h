// A loss written as differentiable operations; autograd gives the gradient.
#pragma once

#include <vector>

#include "trainer/losses/loss.h"

namespace attune {

class ComposedLoss : public Loss {
 public:
  LossOutput evaluate(const at::Tensor& vectors, const TrainingBatch& batch) const override;

 protected:
  // columns: batch.columns tensors [rows, d]. Returns a scalar.
  virtual at::Tensor compute(const std::vector<at::Tensor>& columns,
                             const TrainingBatch& batch) const = 0;
};

// [columns * rows] int64 on the device: batch.sequence_of.
at::Tensor places_of(const TrainingBatch& batch, const at::Device& device);
// [rows, labels_per_row], of the type and on the device of `like`.
at::Tensor labels_of(const TrainingBatch& batch, const at::Tensor& like);

}  // namespace attune
