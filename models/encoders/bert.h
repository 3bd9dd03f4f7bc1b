// BERT (Devlin et al. 2018): MiniLM, BGE, E5, GTE, mxbai, arctic-embed.
#pragma once

#include "models/encoders/post_norm.h"

namespace attune {

EncoderPlan plan_bert(const Json& config, const std::string& config_path);

// The fields that RoBERTa and MPNet have under the same names; what is absent keeps what `config`
// has. Refused, all at once: wrong types, sizes outside sane bounds, activations and kinds of
// positions other than the ones implemented.
void read_bert_fields(ConfigFields& fields, PostNormConfig& config);

}  // namespace attune
