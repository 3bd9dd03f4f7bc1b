// Activation recomputation (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"), for
// the layers of any encoder: a layer keeps its input alone and is computed again in backward. A
// third of a step's products more, and of the activations only one layer's at a time.
#pragma once

#include <functional>

#include "models/forward_options.h"
#include "models/layer_norm.h"

namespace attune {

using StreamLayer = std::function<Stream(const Stream&)>;

// layer(stream). With options.recompute_layers, and where a graph is built, `layer` is called once
// more in backward: it must own what it uses, and give the same numbers again (dropout is a
// counter, so there is no state to save). Gradients of its parameters go where they always go.
Stream run_layer(const Stream& stream, const ForwardOptions& options, const StreamLayer& layer);

}  // namespace attune
