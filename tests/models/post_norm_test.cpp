#include "models/encoders/post_norm.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace attune {
namespace {

TEST(DistanceBuckets, AreExactNearAndWideFar) {
  const std::int64_t reach = 300;
  const at::Tensor buckets = distance_buckets(reach, 32);
  ASSERT_EQ(buckets.numel(), 2 * reach + 1);
  const auto at = [&](std::int64_t distance) { return buckets[distance + reach].item<int>(); };
  // Half for keys before the query, half for those behind it.
  EXPECT_EQ(at(0), 0);
  for (int d = 1; d < 8; ++d) {
    EXPECT_EQ(at(-d), d);
    EXPECT_EQ(at(d), 16 + d);
  }
  EXPECT_EQ(at(-8), 8);
  EXPECT_EQ(at(-12), 9);   // 8 + floor(8 log(12 / 8) / log 16) = 8 + 1
  EXPECT_EQ(at(-40), 12);  // 8 + floor(4.64)
  EXPECT_EQ(at(-120), 15);
  EXPECT_EQ(at(-300), 15);
  EXPECT_EQ(at(300), 31);
}

TEST(PostNorm, EveryMistakeOfTheConfigurationIsTold) {
  const Json config = {{"model_type", "roberta"},  {"hidden_size", 30},
                       {"num_attention_heads", 4}, {"hidden_act", "prelu"},
                       {"pad_token_id", 400},      {"max_position_embeddings", 200}};
  try {
    plan_encoder(config, "DIR/config.json");
    FAIL() << "it was read";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.find("DIR/config.json: 3 mistakes:"), 0u) << message;
    for (const char* part : {"heads must divide the width", "\"hidden_act\" is \"prelu\"",
                             "fewer than 2 positions behind padding token 400"})
      EXPECT_NE(message.find(part), std::string::npos) << part << " in: " << message;
  }
}

}  // namespace
}  // namespace attune
