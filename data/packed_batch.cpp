#include "data/packed_batch.h"

#include <algorithm>
#include <limits>

#include "core/error.h"

namespace attune {

void PackedBatch::add(const std::int32_t* tokens, std::int64_t count, std::int64_t uid,
                      std::int32_t first_pooled) {
  ATTUNE_ASSERT(count > 0);
  ATTUNE_ASSERT(first_pooled >= 0 && first_pooled < count);
  if (num_tokens() + count > std::numeric_limits<std::int32_t>::max())
    throw_error(ErrorKind::kResources, "a batch of more than 2,147,483,647 tokens: found ",
                num_tokens() + count, "; use a smaller batch or a smaller max_length");
  ids.insert(ids.end(), tokens, tokens + count);
  for (std::int32_t i = 0; i < count; ++i) positions.push_back(i);
  cu_seqlens.push_back(static_cast<std::int32_t>(ids.size()));
  pool_from.push_back(first_pooled);
  sequence_uid.push_back(uid);
  max_length = std::max(max_length, static_cast<std::int32_t>(count));
}

bool PackedBatch::pools_every_token() const {
  return std::all_of(pool_from.begin(), pool_from.end(),
                     [](std::int32_t first) { return first == 0; });
}

PackedBatch PackedBatch::slice(std::int64_t first, std::int64_t last) const {
  ATTUNE_ASSERT(0 <= first && first <= last && last <= num_sequences());
  const std::int32_t begin = cu_seqlens[first], end = cu_seqlens[last];
  PackedBatch part;
  part.ids.assign(ids.begin() + begin, ids.begin() + end);
  part.positions.assign(positions.begin() + begin, positions.begin() + end);
  part.pool_from.assign(pool_from.begin() + first, pool_from.begin() + last);
  part.sequence_uid.assign(sequence_uid.begin() + first, sequence_uid.begin() + last);
  part.num_queries = std::clamp<std::int64_t>(num_queries - first, 0, last - first);
  part.cu_seqlens.reserve(last - first + 1);
  for (std::int64_t s = first; s < last; ++s) {
    part.cu_seqlens.push_back(cu_seqlens[s + 1] - begin);
    part.max_length = std::max(part.max_length, cu_seqlens[s + 1] - cu_seqlens[s]);
  }
  return part;
}

std::vector<PackedBatch> split_by_tokens(const PackedBatch& batch, std::int64_t token_budget) {
  ATTUNE_ASSERT(token_budget >= 0);
  if (batch.num_sequences() == 0) return {};
  if (token_budget == 0) return {batch};
  std::vector<PackedBatch> chunks;
  std::int64_t first = 0;
  for (std::int64_t s = 1; s <= batch.num_sequences(); ++s) {
    const bool is_end = s == batch.num_sequences();
    if (is_end || batch.cu_seqlens[s + 1] - batch.cu_seqlens[first] > token_budget) {
      chunks.push_back(batch.slice(first, s));
      first = s;
    }
  }
  return chunks;
}

}  // namespace attune
