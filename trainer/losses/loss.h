// A loss takes vectors and returns its value and the gradient on the vectors; it never owns a graph
// across the encoder. So every loss works with any chunk plan. A new loss is one file pair beside
// this one and one line in losses/registry.cpp.
#pragma once

#include <memory>

#include <ATen/core/Tensor.h>

#include "trainer/train_config.h"
#include "trainer/training_batch.h"

namespace attune {

struct LossOutput {
  at::Tensor value;     // 0-dim fp32 on the vectors' device
  at::Tensor gradient;  // [sequences, d] fp32: d value / d vectors
};

class Loss {
 public:
  virtual ~Loss() = default;
  // vectors [sequences, d] fp32, as the encoder gave them; batch.sequence_of says where each
  // stands.
  virtual LossOutput evaluate(const at::Tensor& vectors, const TrainingBatch& batch) const = 0;
};

// By LossConfig::type.
std::unique_ptr<Loss> make_loss(const LossConfig& config);

}  // namespace attune
