#include "models/batch_graphs.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "models/device.h"

namespace attune {

BatchGraphs::BatchGraphs(const at::Device& device, Work work, std::size_t most_graphs)
    : device_(device), work_(std::move(work)), most_graphs_(most_graphs) {}

BatchGraphs::Shape& BatchGraphs::find(const Key& key) {
  if (!shapes_.contains(key) && shapes_.size() == most_graphs_)
    shapes_.erase(std::min_element(
        shapes_.begin(), shapes_.end(),
        [](const auto& a, const auto& b) { return a.second.last_used < b.second.last_used; }));
  return shapes_[key];
}

// False: it cannot be recorded.
bool BatchGraphs::record_shape(Shape& shape) {
  try {
    shape.recording =
        record(device_, [this, &shape] { shape.result = work_(shape.tokens, shape.beside); });
  } catch (const std::exception& error) {
    if (is_out_of_memory(error)) throw;
    cannot_record_ = true;
    log_warning(
        str_cat("this model's work cannot be recorded as a CUDA graph, it is launched "
                "kernel by kernel: ",
                error.what()));
    return false;
  }
  ++counts_.recorded;
  return true;
}

at::Tensor BatchGraphs::run(const PackedBatch& batch, const at::Tensor& beside) {
  ++counts_.batches;
  counts_.tokens += batch.num_tokens();
  if (cannot_record_) return work_(to_device(batch, device_), beside);
  const TokenBucket bucket = bucket_of(batch);
  // Of every shape, seen before or not: dropout goes by the place in the batch, and a resumed run
  // has not seen what the first one had.
  const PackedBatch padded = pad_to(batch, bucket);
  counts_.padding += padded.num_tokens() - batch.num_tokens();
  Shape& shape = find({bucket, batch.num_queries,
                       beside.defined() ? beside.sizes().vec() : std::vector<std::int64_t>()});
  const bool is_new = std::exchange(shape.last_used, counts_.batches) == 0;
  if (shape.recording) {
    restage(padded, shape.tokens);
    if (beside.defined()) shape.beside.copy_(beside, /*non_blocking=*/true);
  } else {
    shape.tokens = to_device(padded, device_);
    shape.tokens.max_length = bucket.max_length;  // of every batch that the shape will serve
    shape.beside = beside.defined() ? beside.clone() : beside;
    if (is_new || !record_shape(shape)) return work_(shape.tokens, shape.beside);
  }
  shape.recording->replay();
  ++counts_.replayed;
  return shape.result;
}

}  // namespace attune
