// Alibaba's GTE encoders (Zhang et al. 2024; gte-multilingual-base, gte-base-en-v1.5,
// arctic-embed-m-v2.0): BERT with rotary positions and GeGLU. Names of the fields are those of
// transformers 5 ("gte", rope_parameters) or of Alibaba's own files ("new", rope_theta and
// rope_scaling of kind "ntk").
#pragma once

#include "models/encoders/encoder.h"

namespace attune {

EncoderPlan plan_gte(const Json& config, const std::string& config_path);

}  // namespace attune
