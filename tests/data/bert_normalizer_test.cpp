#include "data/tokenizers/bert_normalizer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/json.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

const std::string kFixtures = source_path("tests/fixtures/tokenizer/");
const std::string kVectors = source_path("../shared/data/fixtures_vectors/raw/");

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> all;
  BertWords splitter(text);
  for (std::string_view word; splitter.next(word);) all.emplace_back(word);
  return all;
}

BertNormalizerRules rules_of(const Json& switches) {
  return {switches.at("clean_text").get<bool>(), switches.at("handle_chinese_chars").get<bool>(),
          switches.at("strip_accents").get<bool>(), switches.at("lowercase").get<bool>()};
}

TEST(BertNormalizer, EqualsThePeerForEverySwitch) {
  const Json golden = read_json_file(kFixtures + "golden.json");
  int count = 0;
  for (const Json& group : golden.at("normalize")) {
    const BertNormalizer normalizer(rules_of(group));
    for (const Json& pair : group.at("cases")) {
      EXPECT_EQ(normalizer.normalize(pair.at(0).get<std::string>()), pair.at(1).get<std::string>())
          << pair.dump() << " " << golden.at("versions").dump();
      ++count;
    }
  }
  EXPECT_GT(count, 300);
}

TEST(BertNormalizer, ThePeersOwnVectors) {
  if (!std::filesystem::exists(kVectors)) GTEST_SKIP() << kVectors << " is not there";
  const Json vectors = read_json_file(kVectors + "hf_bert_normalizer.json");
  for (const Json& item : vectors.at("normalize")) {
    EXPECT_EQ(BertNormalizer(rules_of(item)).normalize(item.at("input").get<std::string>()),
              item.at("output").get<std::string>());
  }
  for (const Json& item : vectors.at("pre_tokenize")) {
    std::string text = item.at("input").get<std::string>();
    if (text.find("chinese-char step") != std::string::npos) {
      text = BertNormalizer({false, true, false, false}).normalize(text);
    }
    std::vector<std::string> expected;
    for (const Json& split : item.at("splits")) expected.push_back(split.at(0).get<std::string>());
    const std::vector<std::string> got = words(text);
    ASSERT_GE(got.size(), expected.size());
    EXPECT_EQ(
        std::vector<std::string>(got.begin(), got.begin() + static_cast<long>(expected.size())),
        expected);
  }
  const Json bert = read_json_file(kVectors + "bert_tokenization.json");
  for (const auto& [name, lower] : {std::pair{"basic_lower", true}, {"basic_cased", false}}) {
    for (const Json& item : bert.at(name)) {
      EXPECT_EQ(
          words(
              BertNormalizer({true, true, lower, lower}).normalize(item.at(0).get<std::string>())),
          item.at(1).get<std::vector<std::string>>());
    }
  }
}

TEST(BertNormalizer, MarksThatStayAreOrderedAcrossDroppedOnes) {
  const BertNormalizer normalizer({false, false, true, false});
  // U+1D16E (class 216) moves before U+302E (224), though a dropped mark stands between them; a
  // dropped starter (U+034F, class 0) keeps them apart.
  EXPECT_EQ(normalizer.normalize("a\u302e\u0301\U0001d165"), "a\U0001d165\u302e");
  EXPECT_EQ(normalizer.normalize("a\u302e\u034f\U0001d165"), "a\u302e\U0001d165");
}

TEST(BertNormalizer, APartEndingInASpaceIsIndependent) {
  const BertNormalizer normalizer({});
  const std::string text = "e\u0301 \u0301x \u302e \u0316\u4f60 B\u00c9 ";
  std::string parts;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find(' ', at) + 1;
    normalizer.append(std::string_view(text).substr(at, end - at), parts);
    at = end;
  }
  EXPECT_EQ(parts, normalizer.normalize(text));
}

TEST(BertWords, SplitsAtSpacesAndPunctuation) {
  EXPECT_EQ(words(""), std::vector<std::string>{});
  EXPECT_EQ(words(" \u3000\n"), std::vector<std::string>{});
  EXPECT_EQ(words("a"), std::vector<std::string>{"a"});
  EXPECT_EQ(words("-a,b"), (std::vector<std::string>{"-", "a", ",", "b"}));
  EXPECT_EQ(words("a\u00a0\u2014b\u3002 "),
            (std::vector<std::string>{"a", "\u2014", "b", "\u3002"}));
}

}  // namespace
}  // namespace attune
