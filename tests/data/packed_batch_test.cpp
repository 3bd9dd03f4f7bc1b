#include "data/packed_batch.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace attune {
namespace {

// Sequences of the given lengths; ids count through the batch, uids are 100, 101, ...
PackedBatch batch_of(const std::vector<std::int64_t>& lengths) {
  PackedBatch batch;
  std::int32_t next = 0;
  std::int64_t uid = 100;
  for (const std::int64_t length : lengths) {
    std::vector<std::int32_t> tokens(length);
    for (std::int32_t& token : tokens) token = next++;
    batch.add(tokens.data(), length, uid++, length > 2 ? 1 : 0);
  }
  return batch;
}

TEST(PackedBatchTest, AddConcatenates) {
  const PackedBatch batch = batch_of({2, 3, 1});
  EXPECT_EQ(batch.ids, (std::vector<std::int32_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(batch.positions, (std::vector<std::int32_t>{0, 1, 0, 1, 2, 0}));
  EXPECT_EQ(batch.cu_seqlens, (std::vector<std::int32_t>{0, 2, 5, 6}));
  EXPECT_EQ(batch.pool_from, (std::vector<std::int32_t>{0, 1, 0}));
  EXPECT_EQ(batch.sequence_uid, (std::vector<std::int64_t>{100, 101, 102}));
  EXPECT_EQ(batch.max_length, 3);
}

TEST(PackedBatchTest, SliceIsWhatAddingThoseSequencesGives) {
  const PackedBatch part = batch_of({2, 3, 1}).slice(1, 3);
  EXPECT_EQ(part.ids, (std::vector<std::int32_t>{2, 3, 4, 5}));
  EXPECT_EQ(part.positions, (std::vector<std::int32_t>{0, 1, 2, 0}));
  EXPECT_EQ(part.cu_seqlens, (std::vector<std::int32_t>{0, 3, 4}));
  EXPECT_EQ(part.pool_from, (std::vector<std::int32_t>{1, 0}));
  EXPECT_EQ(part.sequence_uid, (std::vector<std::int64_t>{101, 102}));
  EXPECT_EQ(part.max_length, 3);
  EXPECT_EQ(batch_of({2, 3, 1}).slice(2, 3).max_length, 1);
  EXPECT_EQ(batch_of({2}).slice(1, 1).num_sequences(), 0);
}

TEST(PackedBatchTest, BrokenCallsAreAssertions) {
  PackedBatch batch = batch_of({2});
  const std::int32_t token = 7;
  EXPECT_THROW(batch.add(&token, 0, 0), InternalError);
  EXPECT_THROW(batch.add(&token, 1, 0, 1), InternalError);
  EXPECT_THROW(batch.slice(0, 2), InternalError);
  EXPECT_THROW(batch.slice(1, 0), InternalError);
}

std::vector<std::vector<std::int64_t>> uids(const std::vector<PackedBatch>& chunks) {
  std::vector<std::vector<std::int64_t>> result;
  for (const PackedBatch& chunk : chunks) result.push_back(chunk.sequence_uid);
  return result;
}

TEST(PackedBatchTest, SplitKeepsOrderAndBudget) {
  const PackedBatch batch = batch_of({2, 3, 9, 1, 4});
  using Uids = std::vector<std::vector<std::int64_t>>;
  EXPECT_EQ(uids(split_by_tokens(batch, 5)), (Uids{{100, 101}, {102}, {103, 104}}));
  EXPECT_EQ(uids(split_by_tokens(batch, 4)), (Uids{{100}, {101}, {102}, {103}, {104}}));
  EXPECT_EQ(uids(split_by_tokens(batch, 0)), (Uids{{100, 101, 102, 103, 104}}));
  EXPECT_EQ(uids(split_by_tokens(batch, 19)), (Uids{{100, 101, 102, 103, 104}}));
  EXPECT_TRUE(split_by_tokens(PackedBatch(), 5).empty());
}

}  // namespace
}  // namespace attune
