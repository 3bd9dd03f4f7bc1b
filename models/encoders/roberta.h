// RoBERTa (Liu et al. 2019) and what shares its code in transformers: XLM-R (multilingual E5,
// BGE-M3, arctic-embed-l-v2.0) and CamemBERT. BERT's tensors; positions are counted from behind the
// padding token's id on, so that a table of 514 rows takes 512 tokens.
#pragma once

#include "models/encoders/post_norm.h"

namespace attune {

EncoderPlan plan_roberta(const Json& config, const std::string& config_path);

}  // namespace attune
