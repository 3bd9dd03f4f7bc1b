#include "models/packed_tokens.h"

#include <cstring>

#include <ATen/ops/empty.h>

namespace attune {
namespace {

template <class T>
at::Tensor tensor_of(const std::vector<T>& values, at::ScalarType type, const at::Device& device) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, type);
  if (!values.empty())
    std::memcpy(tensor.mutable_data_ptr(), values.data(), values.size() * sizeof(T));
  return tensor.to(device);
}

}  // namespace

PackedTokens to_device(const PackedBatch& batch, const at::Device& device) {
  PackedTokens tokens;
  tokens.num_tokens = batch.num_tokens();
  tokens.num_sequences = batch.num_sequences();
  tokens.max_length = batch.max_length;
  std::vector<std::int64_t> token_uid(batch.ids.size()), token_sequence(batch.ids.size());
  std::vector<std::uint8_t> pooled(batch.ids.size(), 1);
  bool all_pooled = true;
  for (std::int64_t s = 0; s < tokens.num_sequences; ++s)
    for (std::int32_t t = batch.cu_seqlens[s]; t < batch.cu_seqlens[s + 1]; ++t) {
      token_uid[t] = batch.sequence_uid[s];
      token_sequence[t] = s;
      if (t - batch.cu_seqlens[s] < batch.pool_from[s]) {
        pooled[t] = 0;
        all_pooled = false;
      }
    }
  tokens.ids = tensor_of(batch.ids, at::kInt, device);
  tokens.positions = tensor_of(batch.positions, at::kInt, device);
  tokens.cu_seqlens = tensor_of(batch.cu_seqlens, at::kInt, device);
  tokens.sequence_uid = tensor_of(batch.sequence_uid, at::kLong, device);
  tokens.token_uid = tensor_of(token_uid, at::kLong, device);
  tokens.token_sequence = tensor_of(token_sequence, at::kLong, device);
  if (!all_pooled) tokens.pooled = tensor_of(pooled, at::kBool, device);
  return tokens;
}

}  // namespace attune
