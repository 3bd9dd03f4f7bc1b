// MPNet (Song et al. 2020), of all-mpnet-base-v2: BERT's body with RoBERTa's positions, no token
// types, and a bias on attention scores by the distance of two tokens, shared by all layers.
#pragma once

#include "models/encoders/post_norm.h"

namespace attune {

EncoderPlan plan_mpnet(const Json& config, const std::string& config_path);

}  // namespace attune
