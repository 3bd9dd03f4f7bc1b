#include "data/generation/question_filters.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "core/error.h"

namespace attune {
namespace {

const char* const kText =
    "The old prison stands on a hill above the harbour. It was built in 1846 of local granite.";

Passages two_passages() {
  Passages passages;
  passages.rows.resize(2);
  passages.rows[0].text = kText;
  passages.rows[1].text = "北京是中华人民共和国的首都。它位于华北平原的北部。";
  return passages;
}

// The rule that drops one question, "" if it is kept.
std::string rule_of(const std::string& text, std::int64_t row = 0,
                    const std::string& generator = "llm", const FilterConfig& config = {}) {
  std::vector<Question> questions = {{text, row, generator}};
  const FilterCounts counts = filter_questions(questions, two_passages(), config);
  EXPECT_EQ(counts.questions, 1);
  EXPECT_EQ(counts.kept, static_cast<std::int64_t>(questions.size()));
  std::string rule;
  for (const auto& [name, count] : counts.dropped)
    if (count > 0) rule += name;
  return rule;
}

struct Case {
  std::string text, rule;
};

class QuestionFiltersTest : public testing::TestWithParam<Case> {};

TEST_P(QuestionFiltersTest, RuleThatDrops) {
  EXPECT_EQ(rule_of(GetParam().text), GetParam().rule) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Questions, QuestionFiltersTest,
    testing::Values(
        Case{"When was the prison built?", ""}, Case{"", "without_letter"},
        Case{"?! 12 34", "without_letter"}, Case{std::string(3, '\0'), "without_letter"},
        Case{"Prison?", "too_short"}, Case{"The prison", ""}, Case{"What is 3 + 4?", ""},
        // answer_marker
        Case{"When was it built? Answer: 1846", "answer_marker"},
        Case{"Q: When was it built?", "answer_marker"},
        Case{"Q12. When was it built?", "answer_marker"},
        Case{"When? A) in 1846 B) in 1900", "answer_marker"},
        Case{"What is the answer to an RFC?", ""},
        Case{"Which HTTP answers: 200 or 404?", "answer_marker"}, Case{"What does q. 12 mean?", ""},
        Case{"What is plan a) of a building?", ""},
        // names_the_text
        Case{"According to the passage, when was it built?", "names_the_text"},
        Case{"Based on the provided context, what is it?", "names_the_text"},
        Case{"What is said in the text above?", "names_the_text"},
        Case{"What is the above text about?", "names_the_text"},
        Case{"What is the main topic of this document?", "names_the_text"},
        Case{"Which stone is named in the context?", "names_the_text"},
        Case{"What is the prison described in the article made of?", "names_the_text"},
        Case{"What does the author say of it?", "names_the_text"},
        Case{"Which stone was mentioned above?", "names_the_text"},
        Case{"What is the context manager protocol?", ""}, Case{"How do I center the text?", ""},
        Case{"What is a text document?", ""}, Case{"In the context of HTTP, what is a proxy?", ""},
        Case{"Who is the author of Emma?", ""}, Case{"How are pages numbered above 1000?", ""},
        // copied
        Case{"The old prison stands on a hill above the harbour.", "copied"},
        Case{"the OLD prison: stands on a hill, above the harbour?", "copied"},
        Case{"Is it true that the old prison stands on a hill?", ""},
        Case{"stands on a hill", ""},  // shorter than a copy
        Case{"When was it built in 1846 of local granite?", ""},
        Case{"Was it built in 1846 of local granite from a hill above?", ""}));

TEST(QuestionFiltersTest, ShareOfACopyIsTheConfigurations) {
  const std::string half = "the old prison stands on and what is there now";  // 5 of 10 words
  FilterConfig config;
  config.max_copied = 0.5;
  EXPECT_EQ(rule_of(half, 0, "llm", config), "");
  config.max_copied = 0.49;
  EXPECT_EQ(rule_of(half, 0, "llm", config), "copied");
  config.max_copied = 1;
  EXPECT_EQ(rule_of(kText, 0, "llm", config), "");
}

TEST(QuestionFiltersTest, GeneratorsThatCopyMayCopy) {
  EXPECT_EQ(rule_of(kText, 0, "inverse_cloze"), "");
  EXPECT_EQ(rule_of(kText, 0, "headings"), "copied");
}

TEST(QuestionFiltersTest, TheChangedTextIsWhatIsCopied) {
  std::vector<Question> questions = {{kText, 0, "llm", "another text answers it"},
                                     {"here another text answers it all in all", 0, "llm",
                                      "here another text answers it all in all"}};
  filter_questions(questions, two_passages(), {});
  ASSERT_EQ(questions.size(), 1U);
  EXPECT_EQ(questions[0].text, kText);
}

TEST(QuestionFiltersTest, WordsOfEveryScriptCount) {
  FilterConfig config;
  config.max_words = 6;
  EXPECT_EQ(rule_of("北京在哪里？", 1, "llm", config), "");
  EXPECT_EQ(rule_of("京？", 1, "llm", config), "too_short");
  EXPECT_EQ(rule_of("中国的首都在哪里？", 1, "llm", config), "too_long");
  EXPECT_EQ(rule_of("北京是中华人民共和国的首都", 1), "copied");
  EXPECT_EQ(rule_of("one two three four five six seven", 1, "llm", config), "too_long");
}

TEST(QuestionFiltersTest, DuplicatesAreThoseOfOnePassage) {
  std::vector<Question> questions = {
      {"When was it built?", 0, "llm"}, {"when was it  built", 0, "definitions"},
      {"When was it built?", 1, "llm"}, {"What is C++?", 0, "llm"},
      {"What is C#?", 0, "llm"},        {"What is C?", 0, "llm"}};
  const FilterCounts counts = filter_questions(questions, two_passages(), {});
  ASSERT_EQ(questions.size(), 5U);
  EXPECT_EQ(questions[0].generator, "llm");
  EXPECT_EQ(questions[1].passage, 1);
  EXPECT_STREQ(counts.dropped[6].first, "duplicated");
  EXPECT_EQ(counts.dropped[6].second, 1);
  EXPECT_EQ(counts.questions, 6);
  EXPECT_EQ(counts.kept, 5);
}

TEST(QuestionFiltersTest, APassageThatIsNotThereIsABug) {
  std::vector<Question> questions = {{"When was it built?", 2, "llm"}};
  EXPECT_THROW(filter_questions(questions, two_passages(), {}), InternalError);
}

// A quadratic search for copies would take hours.
TEST(QuestionFiltersTest, TimeIsLinear) {
  Passages passages;
  passages.rows.resize(1);
  std::string& text = passages.rows[0].text;
  for (int i = 0; i < 50'000; ++i) text += "a ";
  std::string question = text;
  FilterConfig config;
  config.max_words = 1'000'000;
  std::vector<Question> questions = {{question + "b " + question, 0, "llm"},
                                     {std::string(8 << 20, 'x') + " y", 0, "llm"}};
  const auto begin = std::chrono::steady_clock::now();
  config.max_copied = 0.4;
  const FilterCounts counts = filter_questions(questions, passages, config);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
  EXPECT_EQ(counts.dropped[5].second, 1);
  EXPECT_EQ(counts.kept, 1);
}

}  // namespace
}  // namespace attune
