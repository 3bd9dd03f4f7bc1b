// How the base model of a run embeds before it is finetuned.
#pragma once

#include <attune/base_embedding.h>

#include "pipeline/run_config.h"

namespace attune {

// With the device, length and prompts that the run trains with.
EmbedOptions base_embed_options(const RunConfig& config);

}  // namespace attune
