#include "trainer/step_graphs.h"

#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include "models/attention.h"
#include "trainer/losses/composed_loss.h"

namespace attune {

StepGraphs::StepGraphs(const at::Device& device, Work work, std::size_t most_graphs)
    : device_(device),
      step_key_(at::zeros({1}, at::TensorOptions(device).dtype(at::kLong))),
      graphs_(
          device,
          [key = step_key_, work = std::move(work)](const PackedTokens& tokens,
                                                    const at::Tensor& places) {
            TrainingBatch batch;
            batch.columns = static_cast<int>(places.size(0));
            batch.rows = static_cast<int>(places.size(1));
            batch.places = places.view({-1});
            return work(tokens, batch, static_cast<const std::uint64_t*>(key.const_data_ptr()));
          },
          most_graphs) {}

at::Tensor StepGraphs::run(const PackedBatch& chunk, const TrainingBatch& batch,
                           std::uint64_t step_key) {
  step_key_.fill_(static_cast<std::int64_t>(step_key));
  seed_attention_dropout(device_, step_key);
  return graphs_.run(chunk, places_of(batch, device_).view({batch.columns, batch.rows}));
}

}  // namespace attune
