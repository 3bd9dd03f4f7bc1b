// DistilBERT (Sanh et al. 2019): BERT's body under names of its own, without token types.
#pragma once

#include "models/encoders/post_norm.h"

namespace attune {

EncoderPlan plan_distilbert(const Json& config, const std::string& config_path);

}  // namespace attune
