#include "models/parameter_store.h"

#include <algorithm>
#include <numeric>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>

#include "core/error.h"

namespace attune {
namespace {

std::int64_t product(const std::vector<std::int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::vector<std::int64_t> stored_shape(const ParameterSpec& spec) {
  std::vector<std::int64_t> shape = spec.shape;
  shape[0] /= static_cast<std::int64_t>(spec.stored_names.size());
  return shape;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

void check(const std::vector<ParameterSpec>& specs, const Weights& weights,
           const std::string& place) {
  std::string mistakes;
  int count = 0;
  for (const ParameterSpec& spec : specs)
    for (const std::string& name : spec.stored_names) {
      const WeightEntry* entry = weights.find(name);
      std::string mistake;
      if (!entry)
        mistake = str_cat("tensor '", name, "' is missing");
      else if (entry->shape != stored_shape(spec))
        mistake = str_cat("tensor '", name, "' has shape ", shape_text(entry->shape),
                          ", config.json asks for ", shape_text(stored_shape(spec)));
      if (!mistake.empty() && ++count <= 10) mistakes += "\n  " + mistake;
    }
  if (count > 0)
    throw_error(ErrorKind::kData, place, ": the weights do not fit config.json (", count,
                count == 1 ? " mistake):" : " mistakes):", mistakes, count > 10 ? "\n  ..." : "",
                "\nThe two files may belong to different models: fetch the model again.");
}

}  // namespace

void ParameterStore::lay_out(const at::Device& device) {
  std::int64_t total = 0;
  for (bool decay : {true, false}) {
    for (const ParameterSpec& spec : specs_)
      if (spec.decay == decay) {
        slots_[spec.name] = {at::Tensor(), total};
        total += product(spec.shape);
      }
    if (decay) decayed_count_ = total;
  }
  values_ = at::empty({total}, at::TensorOptions(at::kFloat).device(device));
}

at::Tensor ParameterStore::view_of(const at::Tensor& arena, const ParameterSpec& spec) const {
  return arena.narrow(0, slots_.at(spec.name).offset, product(spec.shape)).view(spec.shape);
}

ParameterStore::ParameterStore(std::vector<ParameterSpec> specs, const Weights& weights,
                               const std::string& place, const at::Device& device)
    : specs_(std::move(specs)) {
  check(specs_, weights, place);
  lay_out(device);
  for (const ParameterSpec& spec : specs_) {
    Slot& slot = slots_.at(spec.name);
    slot.tensor = view_of(values_, spec).detach();
    const std::int64_t rows = stored_shape(spec)[0];
    for (std::size_t i = 0; i < spec.stored_names.size(); ++i)
      weights.copy_to(spec.stored_names[i],
                      slot.tensor.narrow(0, static_cast<std::int64_t>(i) * rows, rows));
  }
}

ParameterStore::ParameterStore(const std::vector<NamedTensor>& tensors, bool decay) {
  for (const NamedTensor& named : tensors) {
    ATTUNE_ASSERT(named.tensor.scalar_type() == at::kFloat && named.tensor.device().is_cpu());
    specs_.push_back({named.name, named.tensor.sizes().vec(), {named.name}, decay});
  }
  lay_out(at::kCPU);
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    Slot& slot = slots_.at(specs_[i].name);
    const at::Tensor view = view_of(values_, specs_[i]).detach();
    view.copy_(tensors[i].tensor.detach());
    slot.tensor = tensors[i].tensor;  // the same object, now with the arena's memory
    slot.tensor.set_data(view);
  }
}

const at::Tensor& ParameterStore::get(const std::string& name) const {
  const auto found = slots_.find(name);
  ATTUNE_ASSERT(found != slots_.end());
  return found->second.tensor;
}

void ParameterStore::enable_training() {
  gradients_ = at::zeros_like(values_);
  for (const ParameterSpec& spec : specs_) {
    Slot& slot = slots_.at(spec.name);
    slot.tensor.requires_grad_(true);
    slot.tensor.mutable_grad() = view_of(gradients_, spec);
  }
}

void ParameterStore::zero_gradients() { gradients_.zero_(); }

std::vector<NamedTensor> ParameterStore::stored_tensors() const {
  std::vector<NamedTensor> tensors;
  for (const ParameterSpec& spec : specs_) {
    const at::Tensor whole = slots_.at(spec.name).tensor.detach();
    const std::int64_t rows = stored_shape(spec)[0];
    for (std::size_t i = 0; i < spec.stored_names.size(); ++i)
      tensors.push_back(
          {spec.stored_names[i], whole.narrow(0, static_cast<std::int64_t>(i) * rows, rows)});
  }
  return tensors;
}

}  // namespace attune
