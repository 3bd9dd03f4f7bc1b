// ModernBERT (Warner et al. 2024; gte-modernbert-base, nomic modernbert-embed): LayerNorm without
// bias before each part, none before the first attention, GeGLU, every third layer sees all keys
// and the others a window, each kind with its own rotary base. Names of the fields are those of
// config.json, of transformers 5 (layer_types, rope_parameters) and of before
// (global_attn_every_n_layers, global_rope_theta, local_rope_theta).
#pragma once

#include "models/encoders/encoder.h"

namespace attune {

EncoderPlan plan_modernbert(const Json& config, const std::string& config_path);

}  // namespace attune
