// From the names that a file has to those of a family: prefixes of task models, names of old files,
// weights that are tied.
#pragma once

#include <string>
#include <vector>

#include "models/encoders/encoder.h"
#include "models/weights_file.h"

namespace attune {

// Renames within `weights`. Error{kData} where a tensor stands there with and without the prefix.
void use_own_names(Weights& weights, const EncoderPlan& plan);

// Names of tensors, as renamed, that are no parameter of the plan and none of its `kept`: what an
// artifact leaves out, as sentence-transformers does. Buffers of positions are not told.
std::vector<std::string> left_out(const Weights& weights, const EncoderPlan& plan);

}  // namespace attune
