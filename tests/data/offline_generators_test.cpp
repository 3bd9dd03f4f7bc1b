#include "data/generation/offline_generators.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "core/hash.h"
#include "data/generation/headings.h"

namespace attune {
namespace {

using Lines = std::vector<std::string>;

Passage passage(const std::string& text, Lines headings = {}, const std::string& title = "") {
  return {sha256(text).substr(0, 16), text, 0, title, std::move(headings), 0};
}

Passages of(std::vector<Passage> rows) {
  Passages passages;
  passages.rows = std::move(rows);
  return passages;
}

std::vector<Question> ask(const std::string& generator, const Passages& passages,
                          int per_passage = 10, std::uint64_t seed = 1) {
  return find_offline_generator(generator)->generate(passages, {per_passage, seed});
}

// "row: text" of each.
Lines texts(const std::vector<Question>& questions) {
  Lines lines;
  for (const Question& question : questions)
    lines.push_back(str_cat(question.passage, ": ", question.text));
  return lines;
}

Lines texts(const std::string& generator, Passage row, int per_passage = 10) {
  Lines lines;
  for (const Question& question : ask(generator, of({std::move(row)}), per_passage))
    lines.push_back(question.text);
  return lines;
}

const char* const kPrison =
    "The old prison stands on a hill above the harbour. It was built in 1846 of local granite. "
    "Prisoners dug the wells by hand. Today a museum of shipwrecks fills the eastern wing.";
const char* const kChinese =
    "北京是中华人民共和国的首都。它位于华北平原的北部。这座城市有三千多年的历史。";
const char* const kGerman =
    "Der Leuchtturm steht seit 1856 auf der Insel. Er wurde aus rotem Backstein gebaut. "
    "Das Licht ist bei klarem Wetter noch in Norwegen zu sehen, weil der Turm sehr hoch ist.";

// Texts as no document should be, but may.
std::vector<Passage> hostile() {
  std::vector<Passage> rows = {passage(""),
                               passage(" \n\n "),
                               passage(std::string(100'000, '.')),
                               passage("?!;:()[]{}\n" + std::string(1000, '\n')),
                               passage(std::string("a\0b is a \0. c\0", 14)),
                               passage(std::string(1000, '\0')),
                               passage("\u0301\u0301\u0301 \u200d\u200d"),
                               passage("12 345 6.78 -9"),
                               passage("To , . If you want to , you can by. Is a. because. In ,")};
  std::string many;
  for (int i = 0; i < 2000; ++i) many += "A is a b, also called, is a c because it is called d. ";
  rows.push_back(passage(many, {std::string(10'000, 'I') + "nstalling", ""}, many));
  rows.push_back(passage("text of a passage", {"", ""}));
  return rows;
}

TEST(OfflineGeneratorsTest, ListIsWhatTheDocumentationNames) {
  Lines names;
  for (const OfflineGenerator& generator : offline_generators()) {
    names.emplace_back(generator.name);
    EXPECT_EQ(find_offline_generator(generator.name), &generator);
    EXPECT_GT(std::string(generator.help).size(), 10U);
  }
  EXPECT_EQ(names, (Lines{"headings", "inverse_cloze", "cropping", "keyphrases", "definitions"}));
  EXPECT_EQ(find_offline_generator("llm"), nullptr);
}

TEST(OfflineGeneratorsTest, EachIsAFunctionOfSeedAndPassage) {
  const Passages passages = of({passage(kPrison, {"Prison", "History"}, "Harbour"),
                                passage(kGerman), passage(kChinese, {"北京"})});
  Passages reversed = passages;
  std::reverse(reversed.rows.begin(), reversed.rows.end());
  for (const OfflineGenerator& generator : offline_generators()) {
    const std::vector<Question> questions = generator.generate(passages, {2, 7});
    const std::vector<Question> again = generator.generate(passages, {2, 7});
    std::multiset<std::string> made, made_reversed;
    ASSERT_EQ(questions.size(), again.size());
    for (std::size_t i = 0; i < questions.size(); ++i) {
      EXPECT_EQ(questions[i].text, again[i].text);
      EXPECT_EQ(questions[i].positive, again[i].positive);
      EXPECT_EQ(questions[i].generator, generator.name);
      if (i > 0) {
        EXPECT_LE(questions[i - 1].passage, questions[i].passage);
      }
      made.insert(str_cat(passages.rows[questions[i].passage].id, questions[i].text));
    }
    for (const Question& question : generator.generate(reversed, {2, 7}))
      made_reversed.insert(str_cat(reversed.rows[question.passage].id, question.text));
    EXPECT_EQ(made, made_reversed) << generator.name;
  }
}

TEST(OfflineGeneratorsTest, GivesAtMostWhatIsAsked) {
  const Passages passages = of({passage(kPrison, {"Prison"}), passage(kGerman)});
  for (const OfflineGenerator& generator : offline_generators())
    for (const int most : {1, 2}) {
      std::map<std::int64_t, int> made;
      for (const Question& question : generator.generate(passages, {most, 1}))
        EXPECT_LE(++made[question.passage], most) << generator.name;
    }
}

TEST(OfflineGeneratorsTest, HostileTextsAreSurvived) {
  for (const OfflineGenerator& generator : offline_generators())
    for (const Question& question : generator.generate(of(hostile()), {3, 1}))
      EXPECT_FALSE(question.text.empty()) << generator.name;
}

TEST(OfflineGeneratorsTest, OneWordOfManyMegabytes) {
  const Passages passages = of({passage(std::string(8 << 20, 'x'), {"Long"})});
  for (const OfflineGenerator& generator : offline_generators())
    for (const Question& question : generator.generate(passages, {3, 1}))
      EXPECT_LT(question.text.size(), 100U) << generator.name;
}

TEST(OfflineGeneratorsTest, HeadingsAreTheLastTwo) {
  EXPECT_EQ(texts(ask("headings", of({passage("1", {"1. Top", "1.2. Mid", "1.2.3. Low"}, "Title"),
                                      passage("2", {"Chapter 4. Pods"}, "Title"),
                                      passage("3", {"FAQ", "Q: Why so?"}, "Title"),
                                      passage("4", {}, "Title"), passage("5")}))),
            (Lines{"0: Mid: Low", "1: Pods", "2: Why so?", "3: Title"}));
}

TEST(OfflineGeneratorsTest, InverseClozeTakesTheSentenceOut) {
  std::set<std::string> asked;
  const std::vector<Question> questions = ask("inverse_cloze", of({passage(kPrison)}));
  ASSERT_EQ(questions.size(), 4U);
  for (const Question& question : questions) {
    asked.insert(question.text);
    ASSERT_NE(std::string(kPrison).find(question.text), std::string::npos);
    if (question.positive.empty()) continue;
    std::string text = kPrison;
    const std::size_t at = text.find(question.text);
    text.erase(at == 0 ? 0 : at - 1, question.text.size() + 1);
    EXPECT_EQ(question.positive, text);
  }
  EXPECT_EQ(asked.size(), 4U);
  EXPECT_EQ(texts("inverse_cloze", passage("Only one whole sentence here. And")), Lines{});
}

TEST(OfflineGeneratorsTest, InverseClozeKeepsOneSentenceInTen) {
  std::vector<Passage> rows;
  for (int i = 0; i < 4000; ++i)
    rows.push_back(passage(str_cat("This is sentence ", i, ". It has another one behind it.")));
  std::int64_t kept = 0;
  for (const Question& question : ask("inverse_cloze", of(std::move(rows)), 1))
    kept += question.positive.empty();
  EXPECT_NEAR(static_cast<double>(kept), 400, 4 * 19);  // 4 standard deviations
}

TEST(OfflineGeneratorsTest, CroppingTakesTwoSpans) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += str_cat(i % 10 == 0 ? "\n" : " ", "w", i);
  std::vector<Question> questions = ask("cropping", of({passage(text)}), 200);
  ASSERT_EQ(questions.size(), 200U);
  std::size_t shortest = 1000, longest = 0;
  for (const Question& question : questions) {
    const auto words =
        static_cast<std::size_t>(std::count(question.text.begin(), question.text.end(), ' ') + 1);
    shortest = std::min(shortest, words);
    longest = std::max(longest, words);
    EXPECT_NE(text.find(question.positive), std::string::npos);
    std::string line = text;
    std::replace(line.begin(), line.end(), '\n', ' ');
    EXPECT_NE(line.find(question.text), std::string::npos);
  }
  EXPECT_EQ(shortest, 10U);
  EXPECT_EQ(longest, 64U);
  EXPECT_EQ(texts("cropping", passage("Fifteen words are not enough for two spans of text so "
                                      "nothing is given here")),
            Lines{});
}

TEST(OfflineGeneratorsTest, KeyphrasesAreFrequentHereAndRareElsewhere) {
  const Passages passages = of(
      {passage("The sourdough starter is fed every day. Feed the sourdough starter with rye flour. "
               "An oven dish holds the dough."),
       passage("The bicycle chain is oiled every week. An oven dish holds the bicycle chain."),
       passage("An oven dish holds everything. >>> import bicycle")});
  EXPECT_EQ(
      texts(ask("keyphrases", passages, 1)),
      (Lines{"0: sourdough starter rye flour", "1: bicycle chain oiled", "2: oven dish holds"}));
}

TEST(OfflineGeneratorsTest, KeyphrasesFindCommonWordsOfAnyLanguage) {
  std::vector<Passage> rows;
  for (int i = 0; i < 60; ++i)
    rows.push_back(passage(str_cat("Der Turm", i, " und die Insel", i, " liegen im Meer", i, ".")));
  for (const Question& question : ask("keyphrases", of(std::move(rows)), 1))
    for (const std::string_view common : {"Der", "und", "die", "liegen", "im"})
      EXPECT_EQ((" " + question.text + " ").find(str_cat(" ", common, " ")), std::string::npos)
          << question.text;
}

struct Asked {
  std::string sentence, question;
};

class DefinitionsTest : public testing::TestWithParam<Asked> {};

// The passage has to be English enough; what surrounds the sentence gives no question.
TEST_P(DefinitionsTest, AsksOrDoesNot) {
  const std::string text = GetParam().sentence + " It was not what they had thought of it for you.";
  const Lines expected = GetParam().question.empty() ? Lines{} : Lines{GetParam().question};
  EXPECT_EQ(texts("definitions", passage(text)), expected) << text;
}

INSTANTIATE_TEST_SUITE_P(
    Sentences, DefinitionsTest,
    testing::Values(
        Asked{"A closure is a function that captures its environment.", "What is a closure?"},
        Asked{"Duck typing is a style that asks for methods, and duck typing is common.",
              "What is duck typing?"},
        Asked{"The GIL is a lock that protects the interpreter.", "What is the GIL?"},
        Asked{"In Python, a decorator is a function that wraps another.",
              "What is a decorator in Python?"},
        Asked{"Ada Lovelace was an English writer and mathematician.", "Who was Ada Lovelace?"},
        Asked{"Docstrings, also called documentation strings, are the opening lines of a body.",
              "What are Docstrings?"},
        Asked{"GIL stands for global interpreter lock in most texts.", "What does GIL stand for?"},
        Asked{"Pickling refers to the writing of objects as bytes.",
              "What does Pickling refer to?"},
        Asked{"A timeout means a wait that took too long.", "What does a timeout mean?"},
        Asked{"The act of lending a value is called borrowing.", "What is borrowing?"},
        Asked{"To install a package, run the installer.", "How do I install a package?"},
        Asked{"To start your server, press the button.", "How do I start my server?"},
        Asked{"If you want to remove all files, use the option -r.", "How do I remove all files?"},
        Asked{"You can build the library by running make.", "How do I build the library?"},
        Asked{"Strings are immutable because they are shared by many and strings are hashed.",
              "Why are strings immutable?"},
        // What is not known without its context, or is no definition.
        Asked{"This is a function that captures its environment.", ""},
        Asked{"The result is a list of the words.", ""},
        Asked{"The house is a building that they own.", ""},
        Asked{"Speed is the same for both of them.", ""},
        Asked{"Baptists are the largest group of them.", ""},
        Asked{"Included are the options that it had.", ""},
        Asked{"Details is a word, and details is the same.", ""},
        Asked{"path is a string that names the file.", ""},
        Asked{"Using threads is a way to wait.", ""},
        Asked{"The method is called automatically.", ""},
        Asked{"To this end, the parser looks ahead.", ""},
        Asked{"To remove it, use the option -r.", ""},
        Asked{"To make a writable, private copy of it, use the option.", ""},
        Asked{"You can go there by bus if you like.", ""},
        Asked{"It is fast because it was written in assembler.", ""}));

TEST(OfflineGeneratorsTest, HeadingsOfInstructionsAreAsked) {
  const std::string text = "All of this is what you need to know for it.";
  for (const auto& [heading, question] : std::vector<std::pair<std::string, std::string>>{
           {"3.2 Installing packages", "How do I install packages?"},
           {"Running tests in parallel", "How do I run tests in parallel?"},
           {"Defining and Using Classes", "How do I define and use Classes?"},
           {"Setting your password", "How do I set my password?"},
           {"Sorting Techniques", ""},
           {"Installing", ""},
           {"Spring cleaning", ""},
           {"Handling it", ""},
           {"Installing packages (advanced)", ""},
           {"Running without a screen", ""}})
    EXPECT_EQ(texts("definitions", passage(text, {heading})),
              question.empty() ? Lines{} : Lines{question})
        << heading;
  const Passages section =
      of({passage(text, {"Installing packages"}), passage(text + text, {"Installing packages"})});
  EXPECT_EQ(texts(ask("definitions", section)), (Lines{"0: How do I install packages?"}));
}

TEST(OfflineGeneratorsTest, OtherLanguagesGiveNoNonsense) {
  const Passages passages =
      of({passage(kChinese, {"北京"}), passage(kGerman, {"Running packages"})});
  EXPECT_EQ(texts(ask("definitions", passages)), Lines{});
  EXPECT_EQ(texts(ask("headings", passages)), (Lines{"0: 北京", "1: Running packages"}));
  for (const Question& question : ask("keyphrases", passages)) EXPECT_EQ(question.passage, 1);
  Lines sentences;
  for (const Question& question : ask("inverse_cloze", passages))
    sentences.push_back(question.text);
  EXPECT_EQ(sentences.size(), 6U);
  EXPECT_NE(std::find(sentences.begin(), sentences.end(), "它位于华北平原的北部。"),
            sentences.end());
}

TEST(OfflineGeneratorsTest, AMixTakesTurns) {
  const Passages passages = of({passage("A closure is a function that has what it was given with "
                                        "it. A thunk is a closure that waits for you.",
                                        {"Closures"}),
                                passage("nothing at all", {"Empty"}), passage(kGerman)});
  const auto mix = [&](const Lines& generators, int per_passage) {
    return texts(generate_offline(passages, generators, per_passage, 1));
  };
  EXPECT_EQ(mix({"headings", "definitions"}, 1), (Lines{"0: Closures", "1: Empty"}));
  EXPECT_EQ(mix({"definitions", "headings"}, 1), (Lines{"0: What is a closure?", "1: Empty"}));
  EXPECT_EQ(mix({"definitions", "headings"}, 3),
            (Lines{"0: What is a closure?", "0: Closures", "0: What is a thunk?", "1: Empty"}));
  EXPECT_EQ(mix({"definitions", "headings", "inverse_cloze"}, 1).size(), 3U);
}

TEST(OfflineGeneratorsTest, WrongMixesAreRefused) {
  const auto message = [](const Lines& generators, int per_passage) -> std::string {
    try {
      generate_offline({}, generators, per_passage, 1);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kConfig);
      return error.what();
    }
    return "";
  };
  EXPECT_NE(message({"keyphrase"}, 1).find("did you mean 'keyphrases'?"), std::string::npos);
  EXPECT_NE(message({"headings", "headings"}, 1).find("twice"), std::string::npos);
  EXPECT_NE(message({}, 1).find("none is named"), std::string::npos);
  EXPECT_NE(message({"headings"}, 0).find("1 or more"), std::string::npos);
  EXPECT_EQ(message({"headings"}, 1), "");
}

TEST(HeadingQuestions, StripsSectionNumbers) {
  for (const auto& [heading, expected] :
       std::vector<std::pair<std::string, std::string>>{{"3.2.1. Lists", "Lists"},
                                                        {"3.2 Lists", "Lists"},
                                                        {"3. Lists", "Lists"},
                                                        {"3) Lists", "Lists"},
                                                        {"Chapter 4. Pods", "Pods"},
                                                        {"Appendix A. More", "More"},
                                                        {"A.1. More", "More"},
                                                        {"Q: Why?", "Why?"},
                                                        {"Q12. Why?", "Why?"},
                                                        {"3D plots", "3D plots"},
                                                        {"2to3 tool", "2to3 tool"},
                                                        {"7 wonders", "7 wonders"},
                                                        {"A. Turing", "A. Turing"},
                                                        {"Chapter and verse", "Chapter and verse"},
                                                        {"Chapter", "Chapter"},
                                                        {"1.2.", "1.2."},
                                                        {"", ""},
                                                        {"1..2 x", "1..2 x"},
                                                        {"Q", "Q"}})
    EXPECT_EQ(strip_section_number(heading), expected) << heading;
}

}  // namespace
}  // namespace attune
