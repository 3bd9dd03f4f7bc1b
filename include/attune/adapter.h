// A small network behind a frozen embedding model; the one public header with tensors. It turns the
// vectors of queries; documents stay as they are, so that an index stays valid. With adapter.sides
// both it turns the documents' too, which must then be embedded anew.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <attune/base_embedding.h>

namespace attune {

class ATTUNE_PUBLIC Adapter {
 public:
  virtual ~Adapter() = default;
  // [n, in] fp32 -> [n, out] fp32, in differentiable operations of ATen: autograd trains it. Const
  // and thread-safe.
  virtual at::Tensor forward(const at::Tensor& x) const = 0;
  // fp32 on the CPU, in the order of the file. The trainer makes them views of its own buffer.
  virtual std::vector<std::pair<std::string, at::Tensor>> parameters() const = 0;
  // One JSON object, written as config.json. For LinearLayer and TwoLayerNN exactly LlamaIndex's
  // keys.
  virtual std::string config_json() const = 0;
  // What is saved in its place, for an adapter that folds into a simpler one; null: itself.
  virtual std::unique_ptr<Adapter> merged() const { return nullptr; }
};

// Makes an adapter from the object that config_json() gave, or from the settings of training: then
// {"in_features": d, "out_features": d or adapter.out_features, ...}, the others those of
// adapter.settings, numbers and true or false as such and anything else as text. Its parameters
// are in their starting state, drawn from `seed` where that is random. Settings that it does not
// know are its own error to throw (any std::exception).
using AdapterFactory =
    std::function<std::unique_ptr<Adapter>(const std::string& config_json, std::uint64_t seed)>;

// A kind of the caller's own, for `adapter.type` and for loading what was saved with it. Names are
// registered once, before use: a second registration throws.
ATTUNE_PUBLIC void register_adapter(const std::string& type, AdapterFactory factory);

}  // namespace attune
