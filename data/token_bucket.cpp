#include "data/token_bucket.h"

#include <algorithm>
#include <bit>

#include "core/error.h"

namespace attune {
namespace {

constexpr std::int64_t kDummyUid = -1;

// The next of the numbers that divide each octave into eight parts, at least `least` apart.
std::int64_t round_up(std::int64_t count, std::int64_t least) {
  const auto octave = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(count)));
  const std::int64_t step = std::max(least, octave / 8);
  return (count + step - 1) / step * step;
}

}  // namespace

TokenBucket bucket_of(const PackedBatch& batch) {
  ATTUNE_ASSERT(batch.num_sequences() > 0);
  if (batch.max_length == 1)
    return {batch.num_tokens(), batch.num_sequences(), 1, batch.pools_every_token()};
  TokenBucket bucket;
  bucket.max_length = std::max(
      32, static_cast<std::int32_t>(std::bit_ceil(static_cast<std::uint32_t>(batch.max_length))));
  bucket.pools_every_token = batch.pools_every_token();
  // Enough dummies to hold the tokens that are missing, each of them at least one token.
  std::int64_t dummies = 0, missing = 0;
  for (std::int64_t least = 1;; ++least) {
    bucket.sequences = round_up(batch.num_sequences() + least, 8);
    dummies = bucket.sequences - batch.num_sequences();
    bucket.tokens = round_up(batch.num_tokens() + dummies, 64);
    missing = bucket.tokens - batch.num_tokens();
    if (missing <= dummies * bucket.max_length) return bucket;
    least = std::max(least, missing / bucket.max_length);
  }
}

PackedBatch pad_to(const PackedBatch& batch, const TokenBucket& bucket) {
  PackedBatch padded = batch;
  const std::int64_t dummies = bucket.sequences - batch.num_sequences();
  std::int64_t missing = bucket.tokens - batch.num_tokens();
  ATTUNE_ASSERT(dummies >= 0 && missing >= dummies && missing <= dummies * bucket.max_length &&
                batch.max_length <= bucket.max_length);
  const std::vector<std::int32_t> zeros(bucket.max_length, 0);
  for (std::int64_t left = dummies; left > 0; --left) {
    const std::int64_t length = (missing + left - 1) / left;  // as even as can be
    padded.add(zeros.data(), length, kDummyUid);
    missing -= length;
  }
  return padded;
}

}  // namespace attune
