#include "models/rotary.h"

#include <cmath>
#include <numbers>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/stack.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/rotary.h"
#include "models/kernel_data.h"

namespace attune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct HeadCounts {
  std::int64_t all, rotated, width;
};

at::Tensor turned(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin,
                  const HeadCounts& heads, bool interleaved, bool back) {
  const Rotation rotation{static_cast<int>(heads.all),
                          static_cast<int>(heads.rotated),
                          static_cast<int>(heads.width),
                          static_cast<int>(2 * cos.size(1)),
                          interleaved,
                          elements<float>(cos),
                          elements<float>(sin),
                          back};
  const at::Tensor y = at::empty_like(x);
  with_element_type(x.scalar_type(), [&]<class T>(T) {
    at::parallel_for(0, x.size(0), 32, [&](std::int64_t begin, std::int64_t end) {
      rotate_cpu(rotation, elements<T>(x), mutable_elements<T>(y), begin, end);
    });
  });
  return y;
}

class CpuRotate : public torch::autograd::Function<CpuRotate> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& qkv, const at::Tensor& cos,
                            const at::Tensor& sin, const HeadCounts& heads, bool interleaved) {
    ctx->save_for_backward({cos, sin});
    ctx->saved_data["heads"] = std::vector<std::int64_t>{heads.all, heads.rotated, heads.width};
    ctx->saved_data["interleaved"] = interleaved;
    return turned(qkv, cos, sin, heads, interleaved, /*back=*/false);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const std::vector<std::int64_t> heads = ctx->saved_data["heads"].toIntVector();
    return {turned(grads[0].contiguous(), saved[0], saved[1], {heads[0], heads[1], heads[2]},
                   ctx->saved_data["interleaved"].toBool(), /*back=*/true),
            {},
            {},
            {},
            {}};
  }
};

// The same by ATen's operators.
at::Tensor turned_by_operators(const at::Tensor& qkv, const RotaryAngles& angles,
                               const HeadCounts& heads) {
  const std::int64_t half = angles.cos.size(1);
  const at::Tensor parts = qkv.unflatten(1, {heads.all, heads.width});
  const at::Tensor seen = parts.narrow(1, 0, heads.rotated);
  const at::Tensor x = seen.narrow(2, 0, 2 * half).to(at::kFloat);
  const at::Tensor cos = angles.cos.unsqueeze(1), sin = angles.sin.unsqueeze(1);
  const at::Tensor pairs =
      angles.interleaved ? x.unflatten(2, {half, 2}).transpose(2, 3) : x.unflatten(2, {2, half});
  const at::Tensor a = pairs.select(2, 0), b = pairs.select(2, 1);
  const at::Tensor new_a = a * cos - b * sin, new_b = b * cos + a * sin;
  const at::Tensor y =
      angles.interleaved ? at::stack({new_a, new_b}, 3).flatten(2) : at::cat({new_a, new_b}, 2);
  const at::Tensor whole =
      at::cat({y.to(qkv.scalar_type()), seen.narrow(2, 2 * half, heads.width - 2 * half)}, 2);
  return at::cat({whole, parts.narrow(1, heads.rotated, heads.all - heads.rotated)}, 1).flatten(1);
}

// Low frequencies are divided by factor, high ones stay, those between are interpolated.
void scale_as_llama3(std::vector<float>& frequencies, double factor, double low, double high,
                     double old_length) {
  for (float& frequency : frequencies) {
    const double length = 2 * std::numbers::pi / frequency;
    const double smooth = (old_length / length - low) / (high - low);
    if (length > old_length / low)
      frequency = static_cast<float>(frequency / factor);
    else if (length >= old_length / high)
      frequency = static_cast<float>((1 - smooth) * frequency / factor + smooth * frequency);
  }
}

}  // namespace

RotaryFrequencies rotary_frequencies(double theta, int dim) {
  const at::Tensor exponents = at::arange(0, dim, 2, at::kFloat) / dim;
  const at::Tensor frequencies = (1.0 / at::pow(at::Scalar(theta), exponents)).contiguous();
  const float* values = frequencies.const_data_ptr<float>();
  return {std::vector<float>(values, values + frequencies.numel())};
}

RotaryFrequencies read_rotary(ConfigFields& fields, const char* key, const Json& scaling,
                              double theta, int head_dim, double fraction) {
  const auto number = [&](const char* name, double otherwise, double least) {
    if (!scaling.is_object() || !scaling.contains(name) || scaling[name].is_null())
      return otherwise;
    const Json& found = scaling[name];
    const bool good =
        found.is_number() && found.get<double>() >= least && found.get<double>() <= 1e12;
    fields.expect(good, "\"", key, "\": \"", name, "\" is ", found.dump(),
                  ", expected a number from ", least, " on");
    return good ? found.get<double>() : otherwise;
  };
  const auto needed = [&](const char* name, double least) {
    fields.expect(scaling.contains(name), "\"", key, "\": \"", name, "\" is missing");
    return number(name, 1, least);
  };
  fields.expect(scaling.is_null() || scaling.is_object(), "\"", key, "\" is ", scaling.dump(),
                ", expected an object or null");
  std::string kind = "default";
  for (const char* name : {"type", "rope_type"})
    if (scaling.is_object() && scaling.contains(name) && !scaling[name].is_null())
      kind = scaling[name].is_string() ? scaling[name].get<std::string>() : scaling[name].dump();
  theta = number("rope_theta", theta, 1);
  fraction = number("partial_rotary_factor", fraction, 0);
  const int dim = static_cast<int>(head_dim * fraction);
  fields.expect(dim >= 2 && dim % 2 == 0 && dim <= head_dim, "\"", key, "\": ", fraction,
                " of a head's ", head_dim, " numbers are turned: expected an even count of them");
  if (dim < 2 || dim > head_dim) return {};
  if (kind == "ntk") {
    const double factor = needed("factor", 1);
    RotaryFrequencies rotary = rotary_frequencies(theta * factor, dim);
    for (float& frequency : rotary.frequencies)
      frequency = static_cast<float>(frequency / std::pow(factor, 2.0 / dim));
    return rotary;
  }
  RotaryFrequencies rotary = rotary_frequencies(theta, dim);
  if (kind == "linear") {
    const auto factor = static_cast<float>(needed("factor", 1e-6));
    for (float& frequency : rotary.frequencies) frequency /= factor;
  } else if (kind == "llama3") {
    int positions = 8192;
    fields.read_int("max_position_embeddings", 2, 10'000'000, positions);
    const double factor = needed("factor", 1), low = needed("low_freq_factor", 1e-6),
                 high = needed("high_freq_factor", 1e-6);
    fields.expect(high > low, "\"", key, "\": high_freq_factor ", high,
                  " must be above low_freq_factor ", low);
    scale_as_llama3(rotary.frequencies, factor, low, high,
                    number("original_max_position_embeddings", positions, 1));
  } else {
    fields.expect(kind == "default" || kind == "dynamic", "\"", key, "\": kind '", kind,
                  "' is not supported; known: default, linear, dynamic, ntk, llama3");
  }
  return rotary;
}

RotaryFrequencies read_rotary(ConfigFields& fields, double theta, int head_dim) {
  double fraction = 1;
  fields.read_number("rope_theta", 1e12, theta);
  fields.read_number("partial_rotary_factor", 1.0001, fraction);
  fields.expect(theta >= 1, "\"rope_theta\" is ", theta, ", expected a number from 1 on");
  const char* key = fields.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
  return read_rotary(fields, key, fields.has(key) ? fields[key] : Json(), theta, head_dim,
                     fraction);
}

RotaryAngles rotary_angles(const RotaryFrequencies& rotary, const PackedTokens& tokens) {
  at::Tensor frequencies = at::empty({static_cast<std::int64_t>(rotary.frequencies.size())});
  std::copy(rotary.frequencies.begin(), rotary.frequencies.end(),
            frequencies.mutable_data_ptr<float>());
  const at::Tensor angles = tokens.positions.to(at::kFloat).unsqueeze(1) *
                            frequencies.to(tokens.positions.device()).unsqueeze(0);
  return {angles.cos(), angles.sin(), rotary.interleaved};
}

at::Tensor rotate(const at::Tensor& qkv, const RotaryAngles& angles, int heads, int kv_heads,
                  int head_dim) {
  const HeadCounts counts{heads + 2 * kv_heads, heads + kv_heads, head_dim};
  if (qkv.is_cuda()) return turned_by_operators(qkv, angles, counts);
  return CpuRotate::apply(qkv.contiguous(), angles.cos, angles.sin, counts, angles.interleaved);
}

}  // namespace attune
