#include "trainer/losses/composed_loss.h"

#include <ATen/core/grad_mode.h>

#include "models/upload.h"

namespace attune {
at::Tensor places_of(const TrainingBatch& batch, const at::Device& device) {
  if (batch.places.defined()) return batch.places;
  return upload(batch.sequence_of, {std::ssize(batch.sequence_of)}, at::kLong, device);
}

at::Tensor labels_of(const TrainingBatch& batch, const at::Tensor& like) {
  return upload(batch.labels, {batch.rows, batch.labels_per_row}, at::kFloat, like.device())
      .to(like.scalar_type());
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
