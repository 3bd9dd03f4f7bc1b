// EuroBERT (Boizard et al. 2025; jina-embeddings-v5-text-nano): Llama's layers, seeing both ways.
// Grouped queries, RMSNorm, SwiGLU. Names of the fields are those of config.json: rope_parameters,
// or rope_theta and rope_scaling as before transformers 5.
#pragma once

#include "models/encoders/encoder.h"

namespace attune {

EncoderPlan plan_eurobert(const Json& config, const std::string& config_path);

}  // namespace attune
