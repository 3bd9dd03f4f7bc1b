// What of a model is trained, and how fast (docs/decisions/009): train.last_layers,
// train.freeze_embeddings, train.lora and train.rates.
#pragma once

#include <cstdint>

#include "models/embedding_model.h"
#include "trainer/train_config.h"

namespace attune {

// Adds LoRA's matrices to the model if the configuration wants them, and splits its parameters into
// trained and frozen ones. Call it once, before anything holds the arenas of model.parameters().
//   LoRA           its matrices and Dense modules are trained, nothing else
//   last_layers k  the encoder's last k layers, with LoRA the matrices in them, and Dense modules
//   rates          of what is left; 0 freezes it too
// Error{kConfig}: more layers than there are, patterns that match no trained tensor.
void choose_trained(EmbeddingModel& model, const TrainConfig& config, std::uint64_t seed);

}  // namespace attune
