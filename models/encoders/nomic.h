// NomicBERT (Nussbaum et al. 2024; nomic-embed-text-v1 and v1.5): BERT with rotary positions and
// SwiGLU. Names of the fields are those of transformers 5 (hidden_size, rope_parameters) or those
// of Nomic's own config.json, which began as GPT-2's (n_embd, n_inner, rotary_emb_base). There
// "rotary_scaling_factor" changes the angles of texts beyond "max_trained_positions" alone: attune
// cuts texts there, so that no vector depends on its neighbours. Mixtures of experts
// (nomic-embed-text-v2-moe) are refused.
#pragma once

#include "models/encoders/encoder.h"

namespace attune {

EncoderPlan plan_nomic(const Json& config, const std::string& config_path);

}  // namespace attune
