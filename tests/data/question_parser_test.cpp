#include "data/generation/question_parser.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/file.h"
#include "data/generation/question_prompt.h"

namespace attune {
namespace {

using Questions = std::vector<std::string>;

struct Case {
  const char* answer;
  Questions expected;
};

class QuestionParser : public testing::TestWithParam<Case> {};

TEST_P(QuestionParser, FindsTheQuestions) {
  EXPECT_EQ(parse_questions(GetParam().answer, false), GetParam().expected) << GetParam().answer;
}

const Questions kAB = {"What is A?", "Why is B?"};

INSTANTIATE_TEST_SUITE_P(
    Lists, QuestionParser,
    testing::Values(
        Case{"What is A?\nWhy is B?", kAB}, Case{"1. What is A?\n2. Why is B?", kAB},
        Case{"1) What is A?\r\n2) Why is B?\r\n", kAB}, Case{"1.) What is A?\n2.) Why is B?", kAB},
        Case{"(1) What is A?\n(2) Why is B?", kAB}, Case{"1: What is A?\n2: Why is B?", kAB},
        Case{"- What is A?\n- Why is B?", kAB}, Case{"* What is A?\n* Why is B?", kAB},
        Case{"• What is A?\n• Why is B?", kAB}, Case{"Q1: What is A?\nQ2: Why is B?", kAB},
        Case{"Q: What is A?\nQ: Why is B?", kAB}, Case{"Q1. What is A?\nQ2. Why is B?", kAB},
        Case{"Question 1: What is A?\n\nQuestion 2: Why is B?", kAB},
        Case{"question 1. What is A?\nQuestion #2: Why is B?", kAB},
        Case{"**1.** What is A?\n**2.** Why is B?", kAB},
        Case{"**Question 1:** What is A?\n**Question 2**: Why is B?", kAB},
        Case{"1. **What is A?**\n2. **Why is B?**", kAB},
        Case{"**1. What is A?**\n**2. Why is B?**", kAB},
        Case{"- **Q1:** What is A?\n- **Q2:** Why is B?", kAB},
        Case{"1. \"What is A?\"\n2. “Why is B?”", kAB},
        Case{"### Question 1\nWhat is A?\n\n### Question 2\nWhy is B?", kAB},
        Case{"## 1. What is A?\n## 2. Why is B?", kAB},
        Case{"  1. What is\tA?\n  2.   Why is B?", kAB}));

INSTANTIATE_TEST_SUITE_P(
    Surroundings, QuestionParser,
    testing::Values(
        Case{"Here are two questions:\n1. What is A?\n2. Why is B?", kAB},
        Case{"Here are two questions:\n\nWhat is A?\nWhy is B?", kAB},
        Case{"Sure! Here are 2 questions based on the context.\nWhat is A?\nWhy is B?", kAB},
        Case{"**Questions:**\n- What is A?\n- Why is B?\n\nLet me know if you need more!", kAB},
        Case{"```\n1. What is A?\n2. Why is B?\n```", kAB},
        Case{"1. What is A?\n---\n2. Why is B?", kAB},
        Case{"1. What is A?\n   a) one\n   b) two\n2. Why is B?", kAB},
        Case{"Q1: What is A?\nA1: It is.\nQ2: Why is B?\nAnswer: because", kAB},
        Case{"1. What is A?\n   - Answer: it is\n2. Why is B?\n   - Answer: so", kAB},
        Case{"<think>\n1. Is this one?\n</think>\n\n1. What is A?\n2. Why is B?", kAB},
        Case{"I should ask\n- about A?\n</think>\nWhat is A?\nWhy is B?", kAB},
        Case{"<think>1. What is A? never ends", {}},
        Case{"1. What is A?\n2. What is A?\n3. Why is B?", kAB},
        Case{"1. Explain A.\n2. Why is B?", {"Explain A.", "Why is B?"}}, Case{"", {}},
        Case{" \n\n", {}}, Case{"Here are the questions:", {}}, Case{"1.\n2.\n", {}},
        Case{"**", {}}, Case{"1. **", {}}));

// What only looks like a mark stays.
INSTANTIATE_TEST_SUITE_P(
    Kept, QuestionParser,
    testing::Values(Case{"1.5 litres of what?\n3D printing: how?",
                         {"1.5 litres of what?", "3D printing: how?"}},
                    Case{"1. 3D printing: how?", {"3D printing: how?"}},
                    Case{"2024: what happened?", {"2024: what happened?"}},
                    Case{"1. What does \"A\" mean?", {"What does \"A\" mean?"}},
                    Case{"1. \"A\" or \"B\"?", {"\"A\" or \"B\"?"}},
                    Case{"1. What does **A** mean?", {"What does **A** mean?"}},
                    Case{"1. What is `*p`?", {"What is `*p`?"}},
                    Case{"1. A: what is it?", {"A: what is it?"}},
                    Case{"Quality: what is it?", {"Quality: what is it?"}},
                    Case{"1、什么是甲？\n2、为什么是乙？", {"什么是甲？", "为什么是乙？"}},
                    Case{"問題は何ですか？\nなぜですか？", {"問題は何ですか？", "なぜですか？"}},
                    Case{"问题1：什么是甲？\n问题2：为什么？", {"什么是甲？", "为什么？"}},
                    Case{"１．甲とは？", {"１．甲とは？"}}));

INSTANTIATE_TEST_SUITE_P(
    Structured, QuestionParser,
    testing::Values(
        Case{R"({"questions": ["What is A?", "Why is B?"]})", kAB},
        Case{R"(["What is A?", "Why is B?"])", kAB},
        Case{R"([{"question": "What is A?", "answer": "it"}, {"question": "Why is B?"}])", kAB},
        Case{R"({"questions": [{"id": 1, "question": "What is A?"}, {"query": "Why is B?"}]})",
             kAB},
        Case{R"({"question_1": "What is A?", "question_2": "Why is B?"})", kAB},
        Case{R"({"question": "What is A?"})", {"What is A?"}},
        Case{R"({"questions": ["1. What is A?", "2. Why is B?"]})", kAB},
        Case{R"({"questions": ["What is\nA?", "Why is B?"]})", kAB},
        Case{"```json\n{\"questions\": [\"What is A?\", \"Why is B?\"]}\n```", kAB},
        Case{"Here you are:\n```json\n[\"What is A?\", \"Why is B?\"]\n```\nMore?", kAB},
        Case{"Here you are:\n{\"questions\": [\"What is A?\", \"Why is B?\"]}\nDone.", kAB},
        Case{"<think>{\"questions\": [\"no\"]}</think>{\"questions\": [\"What is A?\", \"Why is "
             "B?\"]}",
             kAB},
        // A comma too many, and an end that never came.
        Case{R"(["What is A?", "Why is B?",])", kAB},
        Case{R"({"questions": ["What is A?", "Why is B?", "How is)", kAB},
        Case{R"({"questions": []})", {}}, Case{R"({"questions": [1, null, {}]})", {}},
        Case{R"({"questions": ["", " ", "1."]})", {}}, Case{"{", {}}, Case{"[", {}}));

TEST(QuestionParserCutOff, DropsALastLineThatIsNotWhole) {
  EXPECT_EQ(parse_questions("1. What is A?\n2. Why is", true), Questions{"What is A?"});
  EXPECT_EQ(parse_questions("1. What is A?\n2. Why is B?", true), kAB);
  EXPECT_EQ(parse_questions("1. What is", true), Questions{});
}

TEST(QuestionParserFuzz, SurvivesAnything) {
  const std::string seeds[] = {
      "**1.** What?\n- Q2: \"Why?\"\n```json\n[\"x\", {\"question\": \"y\"}]\n```",
      "<think></think>{\"questions\": [\"a\\u00e4\", \"b\\\"\"]}", "问题1：什么？\n(2) **A:** __"};
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string text = seeds[random() % std::size(seeds)];
    for (unsigned change = random() % 8; change > 0; --change) {
      const std::size_t at = random() % (text.size() + 1);
      if (random() % 2 != 0 && at < text.size())
        text.erase(at, 1 + random() % 4);
      else
        text.insert(at, 1, static_cast<char>(random()));
    }
    for (const std::string& question : parse_questions(text, random() % 2 != 0)) {
      ASSERT_FALSE(question.empty());
      ASSERT_EQ(question.find('\n'), std::string::npos);
    }
  }
}

TEST(QuestionParserFuzz, TakesLinearTimeOnHugeAnswers) {
  for (const char* piece : {"1. ", "- ", "**", "\"", "[", "{\"", "1.\n", "```\n", "<think>", "#"}) {
    std::string text;
    while (text.size() < 400'000) text += piece;
    parse_questions(text, false);  // the test's time-out is the expectation
  }
}

TEST(QuestionPrompt, FillsItsPlaceholdersOnce) {
  const QuestionPrompt prompt =
      QuestionPrompt::from_text("{{x}} {context_str}|{num_questions_per_chunk}", "p");
  EXPECT_EQ(prompt.render("a {num_questions_per_chunk} {b", 3),
            "{x} a {num_questions_per_chunk} {b|3");
}

TEST(QuestionPrompt, TheDefaultHoldsThePassageBetweenTwoLines) {
  const std::string text = QuestionPrompt().render("The passage.", 4);
  EXPECT_NE(text.find("\n---------------------\nThe passage.\n---------------------\n"),
            std::string::npos);
  EXPECT_NE(text.find("Write 4 questions"), std::string::npos);
}

TEST(QuestionPrompt, NamesWhatIsWrong) {
  const auto message = [](const std::string& text) -> std::string {
    try {
      QuestionPrompt::from_text(text, "p.txt");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      return error.what();
    }
    return "accepted";
  };
  const auto has = [&](const std::string& text, const char* part) {
    EXPECT_NE(message(text).find(part), std::string::npos) << message(text);
  };
  has("{context_str}\n {contxt} {num_questions_per_chunk}",
      "p.txt:2:2: the placeholder {contxt} is unknown");
  has("{context_str}", "{num_questions_per_chunk} stands nowhere");
  has("{num_questions_per_chunk}", "{context_str} stands nowhere");
  has("{context_str} {num_questions_per_chunk} {", "p.txt:1:41: a single brace");
  has("{\"a\": 1} {context_str} {num_questions_per_chunk}", "is unknown");
  has("} {context_str} {num_questions_per_chunk}", "p.txt:1:1: a single brace");
  has("\xff{context_str} {num_questions_per_chunk}", "p.txt:1:1: not UTF-8");
}

}  // namespace
}  // namespace attune
