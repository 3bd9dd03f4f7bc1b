// How a family says which parameters it has, and how it gets them afterwards.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/layer_norm.h"
#include "models/linear.h"
#include "models/parameter_store.h"

namespace attune {

// The names given are those of the files; parameters are laid out in the order of the calls.
class ParameterPlan {
 public:
  // Of what follows: a layer's index, ParameterSpec::kEmbeddings (at first) or kHead.
  void in_layer(int layer) { layer_ = layer; }

  void matrix(const std::string& name, std::int64_t rows, std::int64_t columns);
  // Not decayed, as every bias and norm.
  void vector(const std::string& name, std::int64_t size);
  // name.weight [width] and, if `bias`, name.bias [width].
  void norm(const std::string& name, std::int64_t width, bool bias = true);
  // name.weight [out, in] and, if `bias`, name.bias [out].
  void dense(const std::string& name, std::int64_t out, std::int64_t in, bool bias = true);
  // One dense layer `name` here, several of equal width in the file, from the top down:
  // stacked("attention.self.qkv", {"attention.self.query", ...}, 3 * d, d).
  void stacked(const std::string& name, const std::vector<std::string>& stored, std::int64_t out,
               std::int64_t in, bool bias = true);
  // The same with the width of each in the file; of one name alone: their sum.
  void stacked(const std::string& name, const std::vector<std::string>& stored,
               const std::vector<std::int64_t>& rows, std::int64_t in, bool bias = true);
  // What the calls above do not cover.
  void add(ParameterSpec spec);

  std::vector<ParameterSpec> take() { return std::move(specs_); }

 private:
  std::vector<ParameterSpec> specs_;
  int layer_ = ParameterSpec::kEmbeddings;
};

// Of a dense() or stacked() layer, and of a norm().
Linear linear_of(const ParameterStore& parameters, const std::string& name, bool bias = true);
LayerNorm layer_norm_of(const ParameterStore& parameters, const std::string& name, double epsilon);

}  // namespace attune
