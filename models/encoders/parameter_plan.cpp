#include "models/encoders/parameter_plan.h"

#include <numeric>

namespace attune {

void ParameterPlan::add(ParameterSpec spec) {
  spec.layer = layer_;
  specs_.push_back(std::move(spec));
}

void ParameterPlan::matrix(const std::string& name, std::int64_t rows, std::int64_t columns) {
  add({name, {rows, columns}, {name}, /*decay=*/true});
}

void ParameterPlan::vector(const std::string& name, std::int64_t size) {
  add({name, {size}, {name}, /*decay=*/false});
}

void ParameterPlan::norm(const std::string& name, std::int64_t width, bool bias) {
  vector(name + ".weight", width);
  if (bias) vector(name + ".bias", width);
}

void ParameterPlan::dense(const std::string& name, std::int64_t out, std::int64_t in, bool bias) {
  matrix(name + ".weight", out, in);
  if (bias) vector(name + ".bias", out);
}

void ParameterPlan::stacked(const std::string& name, const std::vector<std::string>& stored,
                            std::int64_t out, std::int64_t in, bool bias) {
  ParameterSpec weight{name + ".weight", {out, in}, {}, /*decay=*/true};
  ParameterSpec offset{name + ".bias", {out}, {}, /*decay=*/false};
  for (const std::string& part : stored) {
    weight.stored_names.push_back(part + ".weight");
    offset.stored_names.push_back(part + ".bias");
  }
  add(std::move(weight));
  if (bias) add(std::move(offset));
}

void ParameterPlan::stacked(const std::string& name, const std::vector<std::string>& stored,
                            const std::vector<std::int64_t>& rows, std::int64_t in, bool bias) {
  const std::size_t first = specs_.size();
  stacked(name, stored, std::accumulate(rows.begin(), rows.end(), std::int64_t{0}), in, bias);
  if (stored.size() > 1)
    for (std::size_t i = first; i < specs_.size(); ++i) specs_[i].stored_rows = rows;
}

Linear linear_of(const ParameterStore& parameters, const std::string& name, bool bias) {
  Linear layer;
  layer.weight = parameters.get(name + ".weight");
  if (bias) layer.bias = parameters.get(name + ".bias");
  return layer;
}

LayerNorm layer_norm_of(const ParameterStore& parameters, const std::string& name, double epsilon) {
  return {parameters.get(name + ".weight"), parameters.get(name + ".bias"), epsilon};
}

}  // namespace attune
