#include "trainer/step_graphs.h"

#include <algorithm>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include "core/error.h"
#include "core/log.h"
#include "models/attention.h"
#include "models/device.h"
#include "trainer/losses/composed_loss.h"

namespace attune {

StepGraphs::StepGraphs(const at::Device& device, Work work, std::size_t most_graphs)
    : device_(device),
      step_key_(at::zeros({1}, at::TensorOptions(device).dtype(at::kLong))),
      work_(std::move(work)),
      most_graphs_(most_graphs) {}

StepGraphs::Shape& StepGraphs::find(const Key& key) {
  if (!shapes_.contains(key) && shapes_.size() == most_graphs_)
    shapes_.erase(std::min_element(
        shapes_.begin(), shapes_.end(),
        [](const auto& a, const auto& b) { return a.second.last_used < b.second.last_used; }));
  return shapes_[key];
}

at::Tensor StepGraphs::work(const PackedTokens& tokens, const TrainingBatch& batch) const {
  return work_(tokens, batch, static_cast<const std::uint64_t*>(step_key_.const_data_ptr()));
}

// False: it cannot be recorded.
bool StepGraphs::record_shape(Shape& shape) {
  try {
    shape.recording =
        record(device_, [this, &shape] { shape.loss = work(shape.tokens, shape.batch); });
  } catch (const std::exception& error) {
    if (is_out_of_memory(error)) throw;
    cannot_record_ = true;
    log_warning(
        str_cat("this model's step cannot be recorded as a CUDA graph, it is launched "
                "kernel by kernel: ",
                error.what()));
    return false;
  }
  ++counts_.recorded;
  return true;
}

at::Tensor StepGraphs::run(const PackedBatch& chunk, const TrainingBatch& batch,
                           std::uint64_t step_key) {
  ++counts_.batches;
  counts_.tokens += chunk.num_tokens();
  step_key_.fill_(static_cast<std::int64_t>(step_key));
  seed_attention_dropout(device_, step_key);
  if (cannot_record_) return work(to_device(chunk, device_), batch);
  const TokenBucket bucket = bucket_of(chunk);
  // Of every shape, seen before or not: dropout goes by the place in the batch, and a resumed run
  // has not seen what the first one had.
  const PackedBatch padded = pad_to(chunk, bucket);
  counts_.padding += padded.num_tokens() - chunk.num_tokens();
  Shape& shape = find({bucket, chunk.num_queries, batch.rows, batch.columns});
  const bool is_new = std::exchange(shape.last_used, counts_.batches) == 0;
  if (shape.recording) {
    restage(padded, shape.tokens);
    shape.batch.places.copy_(places_of(batch, device_), /*non_blocking=*/true);
  } else {
    shape.tokens = to_device(padded, device_);
    shape.tokens.max_length = bucket.max_length;  // of every batch that the shape will serve
    shape.batch.rows = batch.rows;
    shape.batch.columns = batch.columns;
    shape.batch.places = places_of(batch, device_);
    if (is_new || !record_shape(shape)) return work(shape.tokens, shape.batch);
  }
  shape.recording->replay();
  ++counts_.replayed;
  return shape.loss;
}

}  // namespace attune
