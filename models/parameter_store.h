// The numbers of a model in flat arenas, those that are trained in one of their own: clipping,
// AdamW, all-reduce, checkpoints and averaging are operations on one buffer, and addresses are
// stable from enable_training() on.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
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
  static constexpr int kEmbeddings = -1, kHead = std::numeric_limits<int>::max();

  std::string name;  // unique; used by the encoder
  std::vector<std::int64_t> shape;
  std::vector<std::string> stored_names;  // in the file; shape[0] is split evenly among them
  bool decay = true;                      // false for biases and LayerNorms, as the peers do
  int layer = kEmbeddings;                // of the encoder; kHead: what comes after all of them
  std::vector<std::int64_t> stored_rows = {};  // of each stored tensor; empty: evenly split
};

// A range of the trained arena whose parameters are updated alike.
struct ParameterGroup {
  std::int64_t begin = 0, end = 0;
  bool decay = true;
  double rate = 1;  // factor on the learning rate
};

class ParameterStore {
 public:
  // Factor on the learning rate of a stored tensor; 0: it is frozen.
  using RateOf = std::function<double(const ParameterSpec& spec, const std::string& stored_name)>;

  // Checks every spec against `weights` (present, shape) before anything is allocated, then copies.
  // All mistakes are thrown together as Error{kData} with `place`. All of them are trained at the
  // full rate until select() says otherwise.
  ParameterStore(std::vector<ParameterSpec> specs, const Weights& weights, const std::string& place,
                 const at::Device& device);

  // The caller's own fp32 tensors, contiguous and on the processor, become views of the arena on
  // `device`; none is decayed unless `decay` says so.
  ParameterStore(const std::vector<NamedTensor>& tensors, bool decay,
                 const at::Device& device = at::kCPU);
  // All of the tensors leave the arenas for memory of their own on the processor: the store is
  // done.
  void release_to_cpu();

  // A parameter that no file has given: `value` becomes part of the arenas with the next select().
  void add(ParameterSpec spec, const at::Tensor& value);

  // Splits all parameters into trained and frozen ones and lays them out anew; before
  // enable_training(). Error{kConfig} where nothing is left to train, or where a part of one tensor
  // (query of query, key and value) would be frozen and the rest of it not.
  void select(const RateOf& rate_of);

  const at::Tensor& get(const std::string& name) const;
  const std::vector<ParameterSpec>& specs() const { return specs_; }

  // Of the trained parameters, fp32 [count()]; decayed ones first: [0, decayed_count()).
  const at::Tensor& values() const { return values_; }
  const at::Tensor& gradients() const { return gradients_; }  // defined after enable_training()
  std::int64_t count() const { return values_.numel(); }
  std::int64_t decayed_count() const { return decayed_count_; }
  // They cover [0, count()) in this order.
  const std::vector<ParameterGroup>& groups() const { return groups_; }
  std::int64_t frozen_count() const { return frozen_.defined() ? frozen_.numel() : 0; }

  // Makes every trained tensor a leaf whose .grad is a view of the gradient arena, which is zero,
  // so that backward adds there. Frozen ones need no gradient: no graph reaches below them.
  void enable_training();
  void zero_gradients();

  // A copy of all numbers in bf16, for products on a GPU: who changes values() by other means than
  // set_values() or AdamW, which write it too, calls refresh_working_copy().
  void enable_working_copy();
  void refresh_working_copy();
  // Of the trained ones, [count()] bf16; undefined: not enabled.
  const at::Tensor& working_values() const { return working_; }
  // Its view for a tensor that get() gave.
  at::Tensor working_copy_of(const at::Tensor& parameter) const;
  void set_values(const at::Tensor& values);

  // Views by the names of the file, in file order of the specs.
  std::vector<NamedTensor> stored_tensors() const;

 private:
  struct Slot {
    at::Tensor tensor;
    std::int64_t offset = 0;
    std::vector<double> rates{};  // one for each stored name
    bool trained() const { return rates[0] != 0; }
  };

  // Offsets of all specs, decayed ones first, and the groups. Sets values_ and frozen_,
  // uninitialised.
  void lay_out(const at::Device& device);
  void add_group(const ParameterSpec& spec, const Slot& slot);
  at::Tensor view_of(const at::Tensor& arena, const ParameterSpec& spec) const;
  const at::Tensor& arena_of(const ParameterSpec& spec) const;

  std::vector<ParameterSpec> specs_;
  std::unordered_map<std::string, Slot> slots_;
  std::vector<ParameterGroup> groups_;
  at::Tensor values_, gradients_, frozen_, working_, frozen_working_;
  std::int64_t decayed_count_ = 0;
};

// The parts of `whole`, whose shape is the spec's, under their stored names.
std::vector<NamedTensor> stored_parts(const ParameterSpec& spec, const at::Tensor& whole);

}  // namespace attune
