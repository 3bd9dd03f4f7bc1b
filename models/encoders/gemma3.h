// Gemma 3's text model (Kamath et al. 2025) as an encoder: EmbeddingGemma, where
// "use_bidirectional_attention" lets every token see both ways. Embeddings times the root of the
// width, RMSNorm by 1 + weight before and after each part and of every query and key head, tanh
// GeGLU; five of six layers see a window, with a rotary base of their own. Names of the fields are
// those of config.json, of transformers 5 (layer_types, rope_parameters) and of before
// (sliding_window_pattern, rope_theta, rope_local_base_freq, rope_scaling).
#pragma once

#include "models/encoders/encoder.h"

namespace attune {

EncoderPlan plan_gemma3(const Json& config, const std::string& config_path);

}  // namespace attune
