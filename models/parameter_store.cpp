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

std::vector<std::int64_t> stored_shape(const ParameterSpec& spec, std::size_t part) {
  std::vector<std::int64_t> shape = spec.shape;
  if (spec.stored_rows.empty())
    shape[0] /= static_cast<std::int64_t>(spec.stored_names.size());
  else
    shape[0] = spec.stored_rows[part];
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
    for (std::size_t i = 0; i < spec.stored_names.size(); ++i) {
      const std::string& name = spec.stored_names[i];
      const std::vector<std::int64_t> shape = stored_shape(spec, i);
      const WeightEntry* entry = weights.find(name);
      std::string mistake;
      if (!entry)
        mistake = str_cat("tensor '", name, "' is missing");
      else if (entry->shape != shape)
        mistake = str_cat("tensor '", name, "' has shape ", shape_text(entry->shape),
                          ", config.json asks for ", shape_text(shape));
      if (!mistake.empty() && ++count <= 10) mistakes += "\n  " + mistake;
    }
  if (count > 0)
    throw_error(ErrorKind::kData, place, ": the weights do not fit config.json (", count,
                count == 1 ? " mistake):" : " mistakes):", mistakes, count > 10 ? "\n  ..." : "",
                "\nThe two files may belong to different models: fetch the model again.");
}

}  // namespace

void ParameterStore::add_group(const ParameterSpec& spec, const Slot& slot) {
  std::int64_t begin = slot.offset;
  for (std::size_t i = 0; i < slot.rates.size(); ++i) {
    const std::int64_t end = begin + product(stored_shape(spec, i));
    const ParameterGroup group{begin, end, spec.decay, slot.rates[i]};
    begin = end;
    if (!groups_.empty() && groups_.back().decay == group.decay &&
        groups_.back().rate == group.rate)
      groups_.back().end = group.end;
    else
      groups_.push_back(group);
  }
}

void ParameterStore::lay_out(const at::Device& device) {
  std::vector<const ParameterSpec*> order;
  for (const ParameterSpec& spec : specs_) {
    order.push_back(&spec);
    Slot& slot = slots_[spec.name];
    if (slot.rates.empty()) slot.rates.assign(spec.stored_names.size(), 1);
  }
  // Equal rates beside each other: few groups.
  std::stable_sort(order.begin(), order.end(), [&](const auto* a, const auto* b) {
    return std::pair(!a->decay, slots_.at(a->name).rates[0]) <
           std::pair(!b->decay, slots_.at(b->name).rates[0]);
  });
  std::int64_t trained = 0, frozen = 0;
  groups_.clear();
  decayed_count_ = 0;
  for (const ParameterSpec* spec : order) {
    Slot& slot = slots_.at(spec->name);
    std::int64_t& total = slot.trained() ? trained : frozen;
    slot.offset = total;
    total += product(spec->shape);
    if (!slot.trained()) continue;
    add_group(*spec, slot);
    if (spec->decay) decayed_count_ = total;
  }
  const at::TensorOptions options = at::TensorOptions(at::kFloat).device(device);
  values_ = at::empty({trained}, options);
  frozen_ = frozen > 0 ? at::empty({frozen}, options) : at::Tensor();
}

at::Tensor ParameterStore::view_of(const at::Tensor& arena, const ParameterSpec& spec) const {
  return arena.narrow(0, slots_.at(spec.name).offset, product(spec.shape)).view(spec.shape);
}

const at::Tensor& ParameterStore::arena_of(const ParameterSpec& spec) const {
  return slots_.at(spec.name).trained() ? values_ : frozen_;
}

ParameterStore::ParameterStore(std::vector<ParameterSpec> specs, const Weights& weights,
                               const std::string& place, const at::Device& device)
    : specs_(std::move(specs)) {
  check(specs_, weights, place);
  lay_out(device);
  for (const ParameterSpec& spec : specs_) {
    Slot& slot = slots_.at(spec.name);
    slot.tensor = view_of(values_, spec).detach();
    for (const NamedTensor& part : stored_parts(spec, slot.tensor))
      weights.copy_to(part.name, part.tensor);
  }
}

ParameterStore::ParameterStore(const std::vector<NamedTensor>& tensors, bool decay,
                               const at::Device& device) {
  for (const NamedTensor& named : tensors) {
    ATTUNE_ASSERT(named.tensor.scalar_type() == at::kFloat && named.tensor.device().is_cpu());
    specs_.push_back({named.name, named.tensor.sizes().vec(), {named.name}, decay});
  }
  lay_out(device);
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    Slot& slot = slots_.at(specs_[i].name);
    const at::Tensor view = view_of(values_, specs_[i]).detach();
    view.copy_(tensors[i].tensor.detach());
    slot.tensor = tensors[i].tensor;  // the same object, now with the arena's memory
    slot.tensor.set_data(view);
  }
}

void ParameterStore::release_to_cpu() {
  for (auto& [name, slot] : slots_) {
    slot.tensor.mutable_grad() = at::Tensor();
    slot.tensor.set_data(slot.tensor.detach().to(at::kCPU, /*non_blocking=*/false, /*copy=*/true));
  }
}

void ParameterStore::add(ParameterSpec spec, const at::Tensor& value) {
  ATTUNE_ASSERT(value.sizes() == at::IntArrayRef(spec.shape) && slots_.count(spec.name) == 0);
  slots_[spec.name].tensor = value;
  specs_.push_back(std::move(spec));
}

void ParameterStore::select(const RateOf& rate_of) {
  ATTUNE_ASSERT(!gradients_.defined());
  bool any = false;
  for (const ParameterSpec& spec : specs_) {
    std::vector<double>& rates = slots_.at(spec.name).rates;
    rates.clear();
    for (const std::string& name : spec.stored_names) rates.push_back(rate_of(spec, name));
    const auto frozen = std::count(rates.begin(), rates.end(), 0.0);
    if (frozen != 0 && frozen != std::ssize(rates))
      throw_error(ErrorKind::kConfig, "train.rates: ", spec.stored_names[0], " and ",
                  spec.stored_names.size() - 1,
                  " more tensors are one parameter: freeze all of them or none");
    any = any || frozen == 0;
  }
  if (!any)
    throw_error(ErrorKind::kConfig, "train: every parameter is frozen, nothing is left to train");
  const at::Tensor before = values_;  // until everything is copied
  lay_out(before.device());
  for (const ParameterSpec& spec : specs_) {
    const at::Tensor view = view_of(arena_of(spec), spec).detach();
    at::Tensor& tensor = slots_.at(spec.name).tensor;
    view.copy_(tensor);
    tensor.set_data(view);  // everyone who holds the tensor sees the new place
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
    if (!slot.trained()) continue;
    slot.tensor.requires_grad_(true);
    slot.tensor.mutable_grad() = view_of(gradients_, spec);
  }
}

void ParameterStore::zero_gradients() { gradients_.zero_(); }

void ParameterStore::enable_working_copy() {
  working_ = values_.detach().to(at::kBFloat16);
  if (frozen_.defined()) frozen_working_ = frozen_.to(at::kBFloat16);
}

void ParameterStore::refresh_working_copy() {
  if (working_.defined()) working_.copy_(values_);
}

at::Tensor ParameterStore::working_copy_of(const at::Tensor& parameter) const {
  for (const ParameterSpec& spec : specs_) {
    const Slot& slot = slots_.at(spec.name);
    if (slot.tensor.is_same(parameter))
      return view_of(slot.trained() ? working_ : frozen_working_, spec);
  }
  throw InternalError("a working copy of what is no parameter");
}

void ParameterStore::set_values(const at::Tensor& values) {
  const at::NoGradGuard no_grad;
  values_.copy_(values);
  refresh_working_copy();
}

std::vector<NamedTensor> ParameterStore::stored_tensors() const {
  std::vector<NamedTensor> tensors;
  for (const ParameterSpec& spec : specs_)
    for (NamedTensor& part : stored_parts(spec, get(spec.name))) tensors.push_back(std::move(part));
  return tensors;
}

std::vector<NamedTensor> stored_parts(const ParameterSpec& spec, const at::Tensor& whole) {
  std::vector<NamedTensor> parts;
  std::int64_t row = 0;
  for (std::size_t i = 0; i < spec.stored_names.size(); ++i) {
    const std::int64_t rows = stored_shape(spec, i)[0];
    parts.push_back({spec.stored_names[i], whole.detach().narrow(0, row, rows)});
    row += rows;
  }
  return parts;
}

}  // namespace attune
