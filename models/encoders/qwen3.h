// Qwen3 (Yang et al. 2025; Qwen3-Embedding): a causal language model whose last token's vector is
// the text's. Grouped queries, RMSNorm of every query and key head, SwiGLU. Names of the fields are
// those of config.json: rope_parameters, or rope_theta and rope_scaling as before transformers 5.
// "is_causal": false makes it see both ways, as transformers reads it.
#pragma once

#include "models/encoders/encoder.h"

namespace attune {

EncoderPlan plan_qwen3(const Json& config, const std::string& config_path);

}  // namespace attune
