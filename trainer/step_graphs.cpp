#include "trainer/step_graphs.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "models/device.h"
#include "trainer/losses/composed_loss.h"

namespace attune {

StepGraphs::Shape& StepGraphs::find(const Key& key) {
  if (!shapes_.contains(key) && shapes_.size() == most_graphs_)
    shapes_.erase(std::min_element(
        shapes_.begin(), shapes_.end(),
        [](const auto& a, const auto& b) { return a.second.last_used < b.second.last_used; }));
  return shapes_[key];
}

// False: it cannot be recorded.
bool StepGraphs::record_shape(Shape& shape, const PackedBatch& padded, std::int64_t max_length,
                              const TrainingBatch& batch) {
  shape.tokens = to_device(padded, device_);
  shape.tokens.max_length = max_length;  // of every batch that it will serve
  shape.batch.rows = batch.rows;
  shape.batch.columns = batch.columns;
  shape.batch.places = places_of(batch, device_);
  try {
    shape.recording =
        record(device_, [this, &shape] { shape.loss = work_(shape.tokens, shape.batch); });
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

at::Tensor StepGraphs::run(const PackedBatch& chunk, const TrainingBatch& batch) {
  ++counts_.batches;
  counts_.tokens += chunk.num_tokens();
  const TokenBucket bucket = bucket_of(chunk);
  Shape& shape = find({bucket, chunk.num_queries, batch.rows, batch.columns});
  const bool is_new = std::exchange(shape.last_used, counts_.batches) == 0;
  if (is_new || cannot_record_) return work_(to_device(chunk, device_), batch);
  const PackedBatch padded = pad_to(chunk, bucket);
  if (shape.recording) {
    restage(padded, shape.tokens);
    shape.batch.places.copy_(places_of(batch, device_), /*non_blocking=*/true);
  } else if (!record_shape(shape, padded, bucket.max_length, batch)) {
    return work_(to_device(chunk, device_), batch);
  }
  shape.recording->replay();
  ++counts_.replayed;
  counts_.padding += padded.num_tokens() - chunk.num_tokens();
  return shape.loss;
}

}  // namespace attune
