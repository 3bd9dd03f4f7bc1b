#include "retrieval/bm25.h"

#include <gtest/gtest.h>

#include <cmath>

namespace attune {
namespace {

using Words = std::vector<std::string>;

TEST(Bm25Words, RunsOfLettersAndDigitsInLowerCase) {
  EXPECT_EQ(bm25_words("The 10-K's Form, IS_here: A1!"),
            (Words{"the", "10", "k", "s", "form", "is", "here", "a1"}));
  EXPECT_EQ(bm25_words("ÉCOLE Ärger ΣΟΦΙΑ Привет"), (Words{"école", "ärger", "σοφια", "привет"}));
  EXPECT_EQ(bm25_words(" \t\n—…€ "), Words{});
  EXPECT_EQ(bm25_words(""), Words{});
}

TEST(Bm25Words, MarksStayOnTheirLetters) {
  EXPECT_EQ(bm25_words("re\u0301sume\u0301"), Words{"re\u0301sume\u0301"});
  EXPECT_EQ(bm25_words("हिन्दी भाषा"), (Words{"हिन्दी", "भाषा"}));
  EXPECT_EQ(bm25_words("\u0301 a"), Words{"a"});
}

TEST(Bm25Words, HanAndKanaStandAlone) {
  EXPECT_EQ(bm25_words("東京towerへ行く"), (Words{"東", "京", "tower", "へ", "行", "く"}));
  EXPECT_EQ(bm25_words("𠀀a"), (Words{"𠀀", "a"}));
  EXPECT_EQ(bm25_words("か\u3099き"), (Words{"か\u3099", "き"}));
  EXPECT_EQ(bm25_words("서울 타워"), (Words{"서울", "타워"}));
}

TEST(Bm25Words, BytesThatAreNotUtf8SeparateWords) {
  EXPECT_EQ(bm25_words("a\xff\xfe"
                       "b\xc3"),
            (Words{"a", "b"}));
  EXPECT_EQ(bm25_words("x\xed\xa0\x80y"), (Words{"x", "y"}));  // a lone surrogate
  EXPECT_EQ(bm25_words(std::string_view("a\0b", 3)), (Words{"a", "b"}));
}

TEST(Bm25Index, ScoreByHand) {
  const std::vector<std::string> passages = {"red boat red", "blue boat", "green tree by a river"};
  const Bm25Index index(passages);
  const std::vector<Hit> hits = index.search("red boat", 10);
  ASSERT_EQ(hits.size(), 2u);
  const auto weight = [](double df, double count, double length) {
    const double average = 10.0 / 3;
    return std::log(1 + (3 - df + 0.5) / (df + 0.5)) * count /
           (count + 0.9 * (1 - 0.4 + 0.4 * length / average));
  };
  EXPECT_EQ(hits[0].row, 0);
  EXPECT_NEAR(hits[0].score, weight(1, 2, 3) + weight(2, 1, 3), 1e-6);
  EXPECT_EQ(hits[1].row, 1);
  EXPECT_NEAR(hits[1].score, weight(2, 1, 2), 1e-6);
  EXPECT_NEAR(index.search("boat BOAT", 10)[0].score, 2 * weight(2, 1, 2), 1e-6);
}

TEST(Bm25Index, EqualScoresStandInRowOrderAlsoAtTheCut) {
  const std::vector<std::string> passages(50, "the same words");
  const Bm25Index index(passages);
  const std::vector<Hit> hits = index.search("same", 7);
  ASSERT_EQ(hits.size(), 7u);
  for (int i = 0; i < 7; ++i) EXPECT_EQ(hits[i].row, i);
}

TEST(Bm25Index, NothingSharedNothingFound) {
  const std::vector<std::string> passages = {"one", "", "..."};
  const Bm25Index index(passages);
  EXPECT_TRUE(index.search("two", 5).empty());
  EXPECT_TRUE(index.search("", 5).empty());
  EXPECT_TRUE(Bm25Index(std::span<const std::string>{}).search("one", 5).empty());
  EXPECT_TRUE(Bm25Index(std::vector<std::string>{"", "!"}).search("one", 5).empty());
  EXPECT_EQ(index.search("one", 5).size(), 1u);
}

}  // namespace
}  // namespace attune
