#include "data/chunks/near_duplicates.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace attune {
namespace {

using Rows = std::vector<std::int64_t>;

Rows first_of(const std::vector<std::string>& texts, double threshold, int threads = 1) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return first_near_duplicate(views, threshold, threads);
}

Rows groups_of(const std::vector<std::string>& texts, double threshold, int threads = 1) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return near_duplicate_groups(views, threshold, threads);
}

// `words` of a vocabulary; then some of its words changed.
class Writer {
 public:
  explicit Writer(std::uint64_t seed) : random_(seed) {}
  std::vector<int> text(std::size_t words) {
    std::vector<int> text(words);
    for (int& word : text) word = static_cast<int>(random_() % 5000);
    return text;
  }
  std::vector<int> changed(std::vector<int> text, std::size_t changes) {
    for (std::size_t i = 0; i < changes; ++i)
      text[random_() % text.size()] = static_cast<int>(random_() % 5000);
    return text;
  }
  std::uint64_t number() { return random_(); }

 private:
  std::mt19937_64 random_;
};

std::string spelled(const std::vector<int>& words) {
  std::string text;
  for (const int word : words) text += "w" + std::to_string(word) + " ";
  return text;
}

TEST(NearDuplicatesTest, JaccardIsOfRunsOfFiveWords) {
  EXPECT_EQ(jaccard_similarity("a b c d e f", "a b c d e g"), 1.0 / 3);
  EXPECT_EQ(jaccard_similarity("a b c d e", "a  b\nc d e "), 1);
  EXPECT_EQ(jaccard_similarity("a b c d e", "a b c d"), 0);
  EXPECT_EQ(jaccard_similarity("a b", "a b"), 1);
  EXPECT_EQ(jaccard_similarity("a b", "b a"), 0);
  EXPECT_EQ(jaccard_similarity("一二三四五六", "一二三四五七"), 1.0 / 3);
  EXPECT_EQ(jaccard_similarity("", " "), 1);
  EXPECT_EQ(jaccard_similarity("a a a a a a a a", "a a a a a"), 1);  // sets, not counts
}

TEST(NearDuplicatesTest, FindsTheFirstThatIsKept) {
  Writer writer(1);
  const std::vector<int> a = writer.text(200), b = writer.text(200);
  const std::vector<std::string> texts = {
      spelled(a), spelled(b), spelled(a) + "more", spelled(b), "", spelled(a), " "};
  EXPECT_EQ(first_of(texts, 0.9), (Rows{-1, -1, 0, 1, -1, 0, 4}));
  EXPECT_EQ(groups_of(texts, 0.9), (Rows{0, 1, 0, 1, 4, 0, 4}));
  EXPECT_TRUE(first_of({}, 0.9).empty());
}

// Windows over one text, each 94 % of the next: the third is near the second, which is dropped.
TEST(NearDuplicatesTest, GroupsReachOverOthersAndDroppingDoesNot) {
  Writer writer(2);
  const std::vector<int> words = writer.text(400);
  std::vector<std::string> texts;
  for (int i = 0; i < 6; ++i)
    texts.push_back(spelled({words.begin() + 6 * i, words.begin() + 6 * i + 200}));
  ASSERT_GT(jaccard_similarity(texts[0], texts[1]), 0.9);
  ASSERT_LT(jaccard_similarity(texts[0], texts[2]), 0.9);
  EXPECT_EQ(first_of(texts, 0.9), (Rows{-1, 0, -1, 2, -1, 4}));
  EXPECT_EQ(groups_of(texts, 0.9), (Rows{0, 0, 0, 0, 0, 0}));
}

// Against all pairs: nothing untrue is told, and hardly anything missed, right above the threshold
// too, for short and long texts and other thresholds.
TEST(NearDuplicatesTest, EqualsBruteForce) {
  for (const double threshold : {0.9, 0.7, 0.5, 1.0}) {
    Writer writer(3);
    std::vector<std::vector<int>> words;
    for (int i = 0; i < 150; ++i)
      words.push_back(
          i % 2 == 0 ? writer.text(5 + writer.number() % 200)
                     : writer.changed(words[writer.number() % words.size()], writer.number() % 8));
    std::vector<std::string> texts;
    for (const auto& text : words) texts.push_back(spelled(text));
    const Rows first = first_of(texts, threshold), groups = groups_of(texts, threshold);
    std::int64_t near = 0, missed = 0, parted = 0;
    for (std::size_t row = 0; row < texts.size(); ++row) {
      std::int64_t expected = -1;
      for (std::size_t other = 0; other < row; ++other) {
        if (jaccard_similarity(texts[row], texts[other]) < threshold) continue;
        parted += groups[row] != groups[other];
        if (expected < 0 && first[other] < 0) expected = static_cast<std::int64_t>(other);
      }
      near += expected >= 0;
      missed += first[row] != expected;
      if (first[row] >= 0) {
        EXPECT_GE(jaccard_similarity(texts[row], texts[first[row]]), threshold);
        EXPECT_EQ(first[first[row]], -1);
      }
    }
    EXPECT_GT(near, 10) << threshold;
    EXPECT_EQ(missed, 0) << threshold;
    EXPECT_EQ(parted, 0) << threshold;
    EXPECT_EQ(first, first_of(texts, threshold, 4));
    EXPECT_EQ(groups, groups_of(texts, threshold, 4));
  }
}

// At the threshold itself 1 in 10,000 pairs may be missed: of 2,000 pairs hardly one.
TEST(NearDuplicatesTest, FindsPairsRightAtTheThreshold) {
  Writer writer(4);
  std::vector<std::string> texts;
  for (int pair = 0; pair < 2000; ++pair) {
    const std::vector<int> words = writer.text(99);  // 95 shingles; 5 more: 95 of 100 shared
    texts.push_back(spelled(words));
    texts.push_back(spelled(words) + "a b c d e f g h i j");
  }
  ASSERT_NEAR(jaccard_similarity(texts[0], texts[1]), 95.0 / 105, 1e-12);
  std::int64_t missed = 0;
  const Rows first = first_of(texts, 95.0 / 105 - 1e-9);
  for (std::size_t row = 1; row < texts.size(); row += 2) missed += first[row] < 0;
  EXPECT_LE(missed, 3);
}

// Copies of one text, each a little different: quadratic work would take minutes.
TEST(NearDuplicatesTest, ManyNearCopiesTakeLinearTime) {
  Writer writer(5);
  const std::vector<int> words = writer.text(200);
  std::vector<std::string> texts;
  for (int i = 0; i < 5'000; ++i) texts.push_back(spelled(words) + "end" + std::to_string(i));
  const Rows first = first_of(texts, 0.9, 0), groups = groups_of(texts, 0.9, 0);
  EXPECT_EQ(std::count(first.begin(), first.end(), 0), 4'999);
  EXPECT_EQ(std::count(groups.begin(), groups.end(), 0), 5'000);
}

}  // namespace
}  // namespace attune
