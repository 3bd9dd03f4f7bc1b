// How much of a batch is embedded with a graph at a time. The batch, and so the loss, is never
// changed: what does not fit is taken in chunks (GradCache).
//
// On the processor running out of memory is the kernel's kill and no exception, so it is asked
// beforehand: bytes a token are measured at the allocators over a forward and backward of two
// small parts of the first batch, so that every family, precision and frozen layer is counted, and
//   tokens that fit = ((kShare * available - bytes of the loss) / 1.5 - fixed) / bytes a token
// with Loss::bytes() for the loss, and 1.5 for what malloc's heap loses. A
// batch above that is cut into chunks of at most kChunkTokens: more would be no faster.
#pragma once

#include <cstdint>
#include <functional>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "models/device.h"
#include "models/forward_options.h"
#include "models/packed_tokens.h"
#include "models/parameter_store.h"
#include "trainer/training_batch.h"

namespace attune {

// A chunk's vectors, [chunk.num_sequences, d] fp32, differentiable. The chunk is on the device of
// the parameters.
using EmbedChunk = std::function<at::Tensor(const PackedTokens&, const ForwardOptions&)>;

// What malloc's heap grew by for each byte of tensors: 1.2 (plain) to 2.1 (recompute) were
// measured.
constexpr double kHeapPerTensor = 1.5;

// What a forward and backward take beside what is there already.
struct ChunkMemory {
  double bytes_per_token = 0, fixed = 0;
  double of_tokens(std::int64_t tokens) const {
    return fixed + bytes_per_token * static_cast<double>(tokens);
  }
};

// Weights stay as they are, gradients are zero afterwards.
ChunkMemory measure_chunk_memory(const StepPlan& plan, const EmbedChunk& embed,
                                 const ForwardOptions& options, ParameterStore& parameters);

std::int64_t tokens_of(const StepPlan& plan);  // of all its batches
const PackedBatch& largest_chunk(const StepPlan& plan);

// A batch of at most `whole` tokens is embedded at once, a larger one in chunks of `chunk`. A
// checkpoint keeps them: with others a resumed run's sums would be rounded elsewhere.
struct ChunkLimits {
  std::int64_t whole = 0, chunk = 0;  // 0: not decided yet
};

class ChunkFit {
 public:
  static constexpr double kShare = 0.6;  // of what is available: validation, files and malloc too
  static constexpr std::int64_t kChunkTokens = 8192;

  // `chunk_tokens`: the setting; 0 for the whole batch where it fits.
  explicit ChunkFit(std::int64_t chunk_tokens,
                    std::int64_t (*available)(const at::Device&) = available_memory_of)
      : limits_{chunk_tokens, chunk_tokens}, available_(available) {}

  // Cuts the plan's chunks to what fits beside the loss; the first call measures, and says aloud
  // what it chose. Error{kResources} where not even the longest sequence alone would go into all of
  // the memory.
  void apply(StepPlan& plan, const EmbedChunk& embed, const ForwardOptions& options,
             ParameterStore& parameters, double loss_bytes);

  // After memory ran out: halves the longest chunk. False where that is one sequence.
  bool shrink(StepPlan& plan);

  const ChunkLimits& limits() const { return limits_; }
  void set_limits(const ChunkLimits& limits) { limits_ = limits; }
  const ChunkMemory& memory() const { return memory_; }  // after the first apply()

 private:
  // From what a chunk takes to limits_.
  void decide(const StepPlan& plan, double of_loss, std::int64_t available);

  ChunkLimits limits_;
  ChunkMemory memory_;
  std::int64_t (*available_)(const at::Device&);
};

}  // namespace attune
