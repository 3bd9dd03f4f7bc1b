#include "data/tokenizers/bare_tokenizer.h"
#include "tests/support/paths.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

const std::string kModel = source_path("tests/fixtures/tiny_bert");

std::vector<std::int32_t> ids(const Tokenizer& tokenizer, std::string_view text, int limit) {
  std::vector<std::int32_t> out = {-7};  // what was there stays
  tokenizer.encode("", text, limit, out);
  EXPECT_EQ(out[0], -7);
  return {out.begin() + 1, out.end()};
}

TEST(BareTokenizer, GivesTheTextsTokensAlone) {
  const auto whole = load_tokenizer(kModel);
  const BareTokenizer bare(load_tokenizer(kModel));
  for (const char* text : {"the ship", "How is a rope mended?", "zebra 42", "[SEP] a", ""}) {
    std::vector<std::int32_t> expected = ids(*whole, text, 100);
    ASSERT_GE(expected.size(), 2u);
    expected = {expected.begin() + 1, expected.end() - 1};
    EXPECT_EQ(ids(bare, text, 100), expected) << text;
    if (expected.size() > 2) expected.erase(expected.begin() + 2, expected.end());
    EXPECT_EQ(ids(bare, text, 2), expected) << text;
  }
  EXPECT_EQ(ids(bare, "the ship", 2'000'000'000).size(), 2u);
}

TEST(BareTokenizer, NothingHasAnIdWhereItIsWanted) {
  const BareTokenizer bare(load_tokenizer(kModel), 118);
  EXPECT_EQ(ids(bare, "", 5), std::vector<std::int32_t>{118});
  EXPECT_EQ(ids(bare, " \t", 5), std::vector<std::int32_t>{118});
  EXPECT_EQ(ids(bare, "ship", 5).size(), 1u);
  EXPECT_NE(bare.fingerprint(), load_tokenizer(kModel)->fingerprint());
  EXPECT_NE(bare.fingerprint(), BareTokenizer(load_tokenizer(kModel)).fingerprint());
}

}  // namespace
}  // namespace attune
