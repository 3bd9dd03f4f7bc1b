#include "trainer/chunk_fit.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <ATen/ops/zeros_like.h>

#include "core/error.h"
#include "core/log.h"
#include "core/memory.h"
#include "models/peak_memory.h"

namespace attune {
namespace {

constexpr std::int64_t kSmallPart = 32, kLargePart = 256;  // tokens, or one sequence

std::vector<const PackedBatch*> chunks_of(const StepPlan& plan) {
  std::vector<const PackedBatch*> chunks;
  for_each_batch(plan, [&](const BatchPlan& batch) {
    for (const PackedBatch& chunk : batch.chunks) chunks.push_back(&chunk);
  });
  return chunks;
}

std::int64_t longest_sequence(const StepPlan& plan) {
  std::int64_t longest = 0;
  for (const PackedBatch* chunk : chunks_of(plan))
    longest = std::max<std::int64_t>(longest, chunk->max_length);
  return longest;
}

// The same sequences in chunks of at most `limit` tokens.
void replan(StepPlan& plan, std::int64_t limit) {
  for_each_batch(plan, [&](BatchPlan& batch) {
    std::vector<PackedBatch> smaller;
    for (const PackedBatch& chunk : batch.chunks)
      for (PackedBatch& part : split_by_tokens(chunk, limit)) smaller.push_back(std::move(part));
    batch.chunks = std::move(smaller);
  });
}

std::int64_t tokens_of_batch(const BatchPlan& batch) {
  std::int64_t tokens = 0;
  for (const PackedBatch& chunk : batch.chunks) tokens += chunk.num_tokens();
  return tokens;
}

// Of the step's batches, which are embedded one after the other.
std::int64_t tokens_of_largest_batch(const StepPlan& plan) {
  std::int64_t most = 0;
  for_each_batch(plan,
                 [&](const BatchPlan& batch) { most = std::max(most, tokens_of_batch(batch)); });
  return most;
}

}  // namespace

const PackedBatch& largest_chunk(const StepPlan& plan) {
  const std::vector<const PackedBatch*> chunks = chunks_of(plan);
  return **std::max_element(chunks.begin(), chunks.end(), [](const auto* a, const auto* b) {
    return std::pair(a->num_tokens(), a->num_sequences()) <
           std::pair(b->num_tokens(), b->num_sequences());
  });
}

std::int64_t tokens_of(const StepPlan& plan) {
  std::int64_t tokens = 0;
  for_each_batch(plan, [&](const BatchPlan& batch) { tokens += tokens_of_batch(batch); });
  return tokens;
}

ChunkMemory measure_chunk_memory(const StepPlan& plan, const EmbedChunk& embed,
                                 const ForwardOptions& options, ParameterStore& parameters) {
  const auto peak_of = [&](const PackedBatch& part) {
    const PeakMemory peak;
    const at::Tensor vectors = embed(to_device(part, parameters.values().device()), options);
    if (vectors.requires_grad()) vectors.backward(at::zeros_like(vectors));
    return static_cast<double>(peak.bytes());
  };
  // A part without what the first call alone allocates, so twice the small one.
  const PackedBatch small = split_by_tokens(plan.chunks.front(), kSmallPart).front(),
                    large = split_by_tokens(plan.chunks.back(), kLargePart).front();
  ChunkMemory memory;
  peak_of(small);
  const double low = peak_of(small), high = peak_of(large);
  parameters.zero_gradients();
  const auto tokens = static_cast<double>(large.num_tokens()),
             more = tokens - static_cast<double>(small.num_tokens());
  // Where the parts are of a size, all of it is put down to the tokens.
  memory.bytes_per_token = std::max(
      1.0, more >= tokens / 2 && high > low ? (high - low) / more : std::max(low, high) / tokens);
  memory.fixed = std::max(0.0, high - memory.bytes_per_token * tokens);
  return memory;
}

void ChunkFit::decide(const StepPlan& plan, double of_loss, std::int64_t available) {
  const auto text = [](double bytes) { return memory_text(std::llround(bytes)); };
  const double least = memory_.of_tokens(longest_sequence(plan)) + of_loss;
  if (least > static_cast<double>(available))
    throw_error(ErrorKind::kResources, "a step needs at least ", text(least), ", ", text(of_loss),
                " of it for the loss, and available are ", memory_text(available),
                ": lower train.batch_size or model.max_length, set train.recompute: true, or end "
                "other programs");
  const double room =
      (kShare * static_cast<double>(available) - of_loss) / kHeapPerTensor - memory_.fixed;
  const auto fits =
      std::max<std::int64_t>(1, static_cast<std::int64_t>(room / memory_.bytes_per_token));
  const std::int64_t tokens = tokens_of_largest_batch(plan),
                     largest = largest_chunk(plan).num_tokens();
  // Of limits that are set (asked for, or a resumed run's) this batch would use:
  const std::int64_t used = largest > limits_.whole ? limits_.chunk : largest;
  if (limits_.whole > 0 && used > fits) {
    log_warning(str_cat("chunks of ", used, " tokens (train.chunk_tokens) would need ",
                        text(memory_.of_tokens(used)), ", and available are ",
                        memory_text(available), ": taking ", std::min(fits, kChunkTokens),
                        "; batch and loss are unchanged"));
  } else if (limits_.whole > 0) {
    return;
  } else if (tokens > fits) {
    log_info(str_cat("a batch of ", tokens, " tokens would need ", text(memory_.of_tokens(tokens)),
                     ", and available are ", memory_text(available),
                     ": it is embedded in chunks of ", std::min(fits, kChunkTokens),
                     " tokens (GradCache), the loss is unchanged"));
  }
  limits_ = {fits, std::min(fits, kChunkTokens)};
}

void ChunkFit::apply(StepPlan& plan, const EmbedChunk& embed, const ForwardOptions& options,
                     ParameterStore& parameters, double loss_bytes) {
  if (memory_.bytes_per_token == 0) {
    const std::int64_t available = available_(parameters.values().device());
    memory_ = measure_chunk_memory(plan, embed, options, parameters);
    decide(plan, loss_bytes, available);
  }
  if (largest_chunk(plan).num_tokens() > limits_.whole) replan(plan, limits_.chunk);
}

bool ChunkFit::shrink(StepPlan& plan) {
  const PackedBatch& largest = largest_chunk(plan);
  if (largest.num_sequences() < 2) return false;
  const std::int64_t half = std::max<std::int64_t>(1, largest.num_tokens() / 2);
  limits_ = {half, half};
  replan(plan, half);
  return true;
}

}  // namespace attune
