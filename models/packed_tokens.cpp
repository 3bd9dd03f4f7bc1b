#include "models/packed_tokens.h"

#include <algorithm>
#include <cstring>

#include <ATen/core/grad_mode.h>

#include "core/error.h"
#include "kernels/embedding.h"
#include "models/device_kernels.h"
#include "models/upload.h"

namespace attune {
namespace {

// Places in the storage, in the order of PackedTokens' fields.
struct Layout {
  Layout(const PackedBatch& batch, bool plans) {
    const std::int64_t tokens = batch.num_tokens(), sequences = batch.num_sequences();
    ids = add(tokens, 4);
    positions = add(tokens, 4);
    cu_seqlens = add(sequences + 1, 4);
    sequence_uid = add(sequences, 8);
    token_uid = add(tokens, 8);
    token_sequence = add(tokens, 8);
    pooled = batch.pools_every_token() ? -1 : add(tokens, 1);
    id_plan = plans ? add(ScatterPlan::size(tokens), 4) : -1;
    position_plan = plans ? add(ScatterPlan::size(tokens), 4) : -1;
  }
  std::int64_t ids, positions, cu_seqlens, sequence_uid, token_uid, token_sequence;
  std::int64_t pooled, id_plan, position_plan;  // -1: not there
  std::int64_t bytes = 0;

 private:
  std::int64_t add(std::int64_t count, std::int64_t size) {
    constexpr std::int64_t kAlignment = 64;
    const std::int64_t place = bytes;
    bytes += (count * size + kAlignment - 1) / kAlignment * kAlignment;
    return place;
  }
};

std::int32_t largest(const std::vector<std::int32_t>& rows) {
  return rows.empty() ? 0 : *std::max_element(rows.begin(), rows.end());
}

template <class T>
void copy_to(std::uint8_t* storage, std::int64_t place, const std::vector<T>& values) {
  if (!values.empty()) std::memcpy(storage + place, values.data(), values.size() * sizeof(T));
}

// The batch in host memory, for a copy to the device.
at::Tensor staged(const PackedBatch& batch, const Layout& layout, const at::Device& device) {
  const at::Tensor host = staging_memory({layout.bytes}, at::kByte, device);
  std::uint8_t* storage = host.mutable_data_ptr<std::uint8_t>();
  copy_to(storage, layout.ids, batch.ids);
  copy_to(storage, layout.positions, batch.positions);
  copy_to(storage, layout.cu_seqlens, batch.cu_seqlens);
  copy_to(storage, layout.sequence_uid, batch.sequence_uid);
  auto* token_uid = reinterpret_cast<std::int64_t*>(storage + layout.token_uid);
  auto* token_sequence = reinterpret_cast<std::int64_t*>(storage + layout.token_sequence);
  for (std::int64_t s = 0; s < batch.num_sequences(); ++s)
    for (std::int32_t t = batch.cu_seqlens[s]; t < batch.cu_seqlens[s + 1]; ++t) {
      token_uid[t] = batch.sequence_uid[s];
      token_sequence[t] = s;
      if (layout.pooled >= 0)
        storage[layout.pooled + t] = t - batch.cu_seqlens[s] >= batch.pool_from[s];
    }
  const auto plan = [&](std::int64_t place, const std::vector<std::int32_t>& rows) {
    if (place >= 0)
      make_scatter_plan(rows.data(), batch.num_tokens(), batch.num_tokens(), largest(rows) + 1,
                        /*skipped_row=*/-1, reinterpret_cast<std::int32_t*>(storage + place));
  };
  plan(layout.id_plan, batch.ids);
  plan(layout.position_plan, batch.positions);
  return host;
}

}  // namespace

PackedTokens to_device(const PackedBatch& batch, const at::Device& device) {
  const bool plans = at::GradMode::is_enabled() && has_device_kernels(device);
  const Layout layout(batch, plans);
  PackedTokens tokens;
  tokens.storage = staged(batch, layout, device).to(device, /*non_blocking=*/true);
  const auto part = [&](std::int64_t place, std::int64_t count, at::ScalarType type) {
    const auto bytes = count * static_cast<std::int64_t>(c10::elementSize(type));
    return tokens.storage.narrow(0, place, bytes).view(type);
  };
  tokens.num_tokens = batch.num_tokens();
  tokens.num_sequences = batch.num_sequences();
  tokens.num_queries = batch.num_queries;
  tokens.max_length = batch.max_length;
  tokens.ids = part(layout.ids, tokens.num_tokens, at::kInt);
  tokens.positions = part(layout.positions, tokens.num_tokens, at::kInt);
  tokens.cu_seqlens = part(layout.cu_seqlens, tokens.num_sequences + 1, at::kInt);
  tokens.sequence_uid = part(layout.sequence_uid, tokens.num_sequences, at::kLong);
  tokens.token_uid = part(layout.token_uid, tokens.num_tokens, at::kLong);
  tokens.token_sequence = part(layout.token_sequence, tokens.num_tokens, at::kLong);
  if (layout.pooled >= 0) tokens.pooled = part(layout.pooled, tokens.num_tokens, at::kBool);
  if (plans) {
    const std::int64_t size = ScatterPlan::size(tokens.num_tokens);
    tokens.id_plan = part(layout.id_plan, size, at::kInt);
    tokens.position_plan = part(layout.position_plan, size, at::kInt);
  }
  tokens.max_id = largest(batch.ids);
  tokens.max_position = largest(batch.positions);
  return tokens;
}

PackedTokens with_ids(const PackedTokens& tokens, const at::Tensor& ids, std::int64_t rows) {
  PackedTokens other = tokens;
  other.ids = ids;
  other.id_plan = at::Tensor();
  other.max_id = static_cast<std::int32_t>(rows - 1);
  return other;
}

PackedTokens with_positions(const PackedTokens& tokens, const at::Tensor& positions,
                            std::int64_t rows) {
  PackedTokens other = tokens;
  other.positions = positions;
  other.position_plan = at::Tensor();
  other.max_position = static_cast<std::int32_t>(rows - 1);
  return other;
}

void restage(const PackedBatch& batch, PackedTokens& tokens) {
  const Layout layout(batch, tokens.id_plan.defined());
  ATTUNE_ASSERT(batch.num_tokens() == tokens.num_tokens &&
                batch.num_sequences() == tokens.num_sequences &&
                batch.num_queries == tokens.num_queries && batch.max_length <= tokens.max_length &&
                (layout.pooled >= 0) == tokens.pooled.defined());
  tokens.max_id = largest(batch.ids);
  tokens.max_position = largest(batch.positions);
  tokens.storage.copy_(staged(batch, layout, tokens.storage.device()), /*non_blocking=*/true);
}

}  // namespace attune
