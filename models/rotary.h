// Rotary position embedding (kernels/rotary.h gives the formula) as config.json describes it,
// differentiable: an own kernel on the processor, ATen's operators on CUDA.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "core/json.h"
#include "models/encoders/config_fields.h"
#include "models/packed_tokens.h"

namespace attune {

// Angle of pair i at position p: p * frequencies[i].
struct RotaryFrequencies {
  std::vector<float> frequencies;  // [dim / 2]
  bool interleaved = false;        // which numbers are a pair

  std::int64_t dim() const { return 2 * static_cast<std::int64_t>(frequencies.size()); }
};

// theta^(-2 i / dim), in fp32 as transformers computes it.
RotaryFrequencies rotary_frequencies(double theta, int dim);

// The same changed as `scaling` asks: an object of config.json ("rope_scaling", or
// "rope_parameters" with its kind as "rope_type" or "type"), or null for none. Kinds:
//   default
//   linear    frequencies / factor (kaiokendev, 2023)
//   dynamic   none within max_position_embeddings, where attune cuts every text
//   ntk       theta * factor, frequencies / factor^(2 / dim): Alibaba's "new" models (Su 2023)
//   llama3    low frequencies / factor (Llama 3.1)
// Others, and what they lack, are mistakes of `fields` under `key`. A rope_theta or
// partial_rotary_factor inside comes before the arguments.
RotaryFrequencies read_rotary(ConfigFields& fields, const char* key, const Json& scaling,
                              double theta, int head_dim, double fraction = 1);

// That of config.json: "rope_parameters", or "rope_theta" and "rope_scaling" as before
// transformers 5.
RotaryFrequencies read_rotary(ConfigFields& fields, double default_theta, int head_dim);

// The angles of a batch's tokens: [tokens, dim / 2] fp32 each. Made once for all layers.
struct RotaryAngles {
  at::Tensor cos, sin;
  bool interleaved = false;
};
RotaryAngles rotary_angles(const RotaryFrequencies& frequencies, const PackedTokens& tokens);

// qkv [tokens, (heads + 2 * kv_heads) * head_dim] with its queries and keys turned.
at::Tensor rotate(const at::Tensor& qkv, const RotaryAngles& angles, int heads, int kv_heads,
                  int head_dim);

}  // namespace attune
