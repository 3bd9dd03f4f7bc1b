#include "data/token_bucket.h"

#include <algorithm>
#include <random>
#include <set>

#include <gtest/gtest.h>

namespace attune {
namespace {

PackedBatch random_batch(std::mt19937_64& random, int sequences, int longest) {
  PackedBatch batch;
  for (int s = 0; s < sequences; ++s) {
    std::vector<std::int32_t> ids(1 + random() % longest);
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random() % 1000);
    batch.add(ids.data(), std::ssize(ids), 7 * s);
  }
  batch.num_queries = sequences / 2;
  return batch;
}

TEST(TokenBucket, PaddingKeepsTheBatchAndFillsTheBucketWithShortDummies) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 2000; ++round) {
    const int longest = 1 + static_cast<int>(random() % (round % 7 == 0 ? 8192 : 300));
    const PackedBatch batch = random_batch(random, 1 + static_cast<int>(random() % 200), longest);
    if (batch.max_length == 1) continue;
    const TokenBucket bucket = bucket_of(batch);
    const PackedBatch padded = pad_to(batch, bucket);
    ASSERT_EQ(padded.num_tokens(), bucket.tokens);
    ASSERT_EQ(padded.num_sequences(), bucket.sequences);
    ASSERT_LE(padded.max_length, bucket.max_length);
    ASSERT_EQ(padded.num_queries, batch.num_queries);
    const PackedBatch own = padded.slice(0, batch.num_sequences());
    ASSERT_EQ(own.ids, batch.ids);
    ASSERT_EQ(own.cu_seqlens, batch.cu_seqlens);
    ASSERT_EQ(own.sequence_uid, batch.sequence_uid);
    ASSERT_GT(padded.num_sequences(), batch.num_sequences());  // no token is outside a sequence
    for (std::int64_t s = batch.num_sequences(); s < padded.num_sequences(); ++s)
      ASSERT_GT(padded.cu_seqlens[s + 1], padded.cu_seqlens[s]);
  }
}

TEST(TokenBucket, PaddingCostsFewTokensAndBatchesOfASizeShareFewBuckets) {
  std::mt19937_64 random(2);
  std::set<TokenBucket> buckets;
  double tokens = 0, padding = 0;
  for (int round = 0; round < 1000; ++round) {
    const PackedBatch batch = random_batch(random, 128, 120);
    const TokenBucket bucket = bucket_of(batch);
    buckets.insert(bucket);
    tokens += static_cast<double>(batch.num_tokens());
    padding += static_cast<double>(bucket.tokens - batch.num_tokens());
  }
  EXPECT_LT(padding / tokens, 0.07);
  EXPECT_LE(buckets.size(), 5u);
}

TEST(TokenBucket, TellsApartWhatARecordingCannotServeBoth) {
  PackedBatch batch;
  const std::vector<std::int32_t> ids(40, 1);
  batch.add(ids.data(), 40, 0);
  PackedBatch prompted;
  prompted.add(ids.data(), 40, 0, /*pool_from=*/3);
  EXPECT_NE(bucket_of(batch), bucket_of(prompted));
  PackedBatch longer;
  longer.add(std::vector<std::int32_t>(65, 1).data(), 65, 0);
  EXPECT_NE(bucket_of(batch).max_length, bucket_of(longer).max_length);
}

TEST(TokenBucket, SingleTokensAreNotPadded) {
  std::mt19937_64 random(3);
  const PackedBatch batch = random_batch(random, 37, 1);
  const PackedBatch padded = pad_to(batch, bucket_of(batch));
  EXPECT_EQ(padded.ids, batch.ids);
  EXPECT_EQ(padded.cu_seqlens, batch.cu_seqlens);
}

}  // namespace
}  // namespace attune
