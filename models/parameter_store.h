// Every trained number of a model in flat arenas: clipping, AdamW, all-reduce, checkpoints and
// averaging are operations on one buffer, and addresses are stable.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "models/weights_file.h"

namespace attune {

// A parameter that code uses as one tensor and files hold as one or several (Q, K and V are one
// [3d, d] matrix here and three in the checkpoint), stacked along the first dimension.
struct ParameterSpec {
  std::string name;  // unique; used by the encoder
  std::vector<std::int64_t> shape;
  std::vector<std::string> stored_names;  // in the file; shape[0] is split evenly among them
  bool decay = true;                      // false for biases and LayerNorms, as the peers do
};

class ParameterStore {
 public:
  // Checks every spec against `weights` (present, shape) before anything is allocated, then copies.
  // All mistakes are thrown together as Error{kData} with `place`.
  ParameterStore(std::vector<ParameterSpec> specs, const Weights& weights, const std::string& place,
                 const at::Device& device);

  // The caller's own fp32 tensors, contiguous, become views of the arena; none is decayed unless
  // `decay` says so.
  ParameterStore(const std::vector<NamedTensor>& tensors, bool decay);

  const at::Tensor& get(const std::string& name) const;

  // fp32 [count()]; decayed parameters first: [0, decayed_count()).
  const at::Tensor& values() const { return values_; }
  const at::Tensor& gradients() const { return gradients_; }  // defined after enable_training()
  std::int64_t count() const { return values_.numel(); }
  std::int64_t decayed_count() const { return decayed_count_; }

  // Makes every tensor a leaf whose .grad is a view of the gradient arena, which is zero, so that
  // backward adds there.
  void enable_training();
  void zero_gradients();

  // Views by the names of the file, in file order of the specs: what an artifact
  // writes.
  std::vector<NamedTensor> stored_tensors() const;

 private:
  // Offsets of all specs: decayed ones first. Sets values_, uninitialised.
  void lay_out(const at::Device& device);
  at::Tensor view_of(const at::Tensor& arena, const ParameterSpec& spec) const;

  struct Slot {
    at::Tensor tensor;
    std::int64_t offset;
  };
  std::vector<ParameterSpec> specs_;
  std::unordered_map<std::string, Slot> slots_;
  at::Tensor values_, gradients_;
  std::int64_t decayed_count_ = 0;
};

}  // namespace attune
