// The texts of one forward, concatenated without padding: what data/ makes and models/ embeds.
#pragma once

#include <cstdint>
#include <vector>

namespace attune {

struct PackedBatch {
  std::vector<std::int32_t> ids;               // [num_tokens]
  std::vector<std::int32_t> positions;         // [num_tokens] 0, 1, ... within each sequence
  std::vector<std::int32_t> cu_seqlens = {0};  // [num_sequences + 1] offsets into ids
  std::vector<std::int32_t>
      pool_from;  // [num_sequences] first pooled token, 0 unless prompts are left out
  std::vector<std::int64_t>
      sequence_uid;              // [num_sequences] key of dropout: equal in any chunk or rank
  std::int32_t max_length = 0;   // longest sequence
  std::int64_t num_queries = 0;  // leading sequences that are queries; where nobody asks, 0

  std::int64_t num_tokens() const { return static_cast<std::int64_t>(ids.size()); }
  std::int64_t num_sequences() const { return static_cast<std::int64_t>(cu_seqlens.size()) - 1; }
  bool pools_every_token() const;  // no prompt is left out

  // Appends one sequence; `tokens` must not be empty.
  void add(const std::int32_t* tokens, std::int64_t count, std::int64_t uid,
           std::int32_t pool_from = 0);
  // Sequences [first, last): a GradCache chunk.
  PackedBatch slice(std::int64_t first, std::int64_t last) const;
};

// Splits a batch into chunks of at most `token_budget` tokens (a longer sequence is a chunk alone);
// 0 means one chunk. Order is kept.
std::vector<PackedBatch> split_by_tokens(const PackedBatch& batch, std::int64_t token_budget);

}  // namespace attune
