#include "trainer/losses/composed_loss.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>

namespace attune {

at::Tensor places_of(const TrainingBatch& batch, const at::Device& device) {
  return at::from_blob(const_cast<std::int64_t*>(batch.sequence_of.data()),
                       {std::ssize(batch.sequence_of)}, at::kLong)
      .to(device, at::kLong, /*non_blocking=*/false, /*copy=*/true);
}

at::Tensor labels_of(const TrainingBatch& batch, const at::Tensor& like) {
  return at::from_blob(const_cast<float*>(batch.labels.data()), {batch.rows, batch.labels_per_row},
                       at::kFloat)
      .to(like.device(), like.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
}

LossOutput ComposedLoss::evaluate(const at::Tensor& vectors, const TrainingBatch& batch) const {
  const at::AutoGradMode with_gradient(true);
  const at::Tensor leaf = vectors.detach().requires_grad_(true);
  const at::Tensor placed = leaf.index_select(0, places_of(batch, vectors.device()));
  const at::Tensor value = compute(placed.split(batch.rows), batch);
  value.backward();
  return {value.detach(), leaf.grad()};
}

}  // namespace attune
