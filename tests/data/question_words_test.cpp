#include "data/generation/question_words.h"

#include <gtest/gtest.h>

#include "data/generation/english_words.h"

namespace attune {
namespace {

using Lines = std::vector<std::string>;

Lines words_of(std::string_view text) {
  Lines words;
  for (WordReader reader(text); reader.next();) words.emplace_back(reader.word());
  return words;
}

TEST(QuestionWordsTest, WordsHaveJoinersAndNoPunctuation) {
  EXPECT_EQ(words_of("It's well-known: os.path, (3.11)? C++ and C# __init__."),
            (Lines{"It's", "well-known", "os.path", "3.11", "C++", "and", "C#", "__init__"}));
  EXPECT_EQ(words_of("in 1860.It was -- 'so'."), (Lines{"in", "1860", "It", "was", "so"}));
  EXPECT_EQ(words_of("Straße, ÉCOLE; naïve"), (Lines{"Straße", "ÉCOLE", "naïve"}));
  EXPECT_EQ(words_of("北京 is 大"), (Lines{"北", "京", "is", "大"}));
  EXPECT_EQ(words_of(" .,\n"), Lines{});
}

TEST(QuestionWordsTest, BytesThatAreNotUtf8SeparateWords) {
  EXPECT_EQ(words_of("a\xff"
                     "b\xc3(c\xe4\xba"),
            (Lines{"a", "b", "c"}));
  EXPECT_EQ(lower_case("A\xff"
                       "B\xc3"),
            "a\xff"
            "b\xc3");
}

TEST(QuestionWordsTest, GapsAndRestAreWhatIsAround) {
  WordReader reader("(one), two!");
  ASSERT_TRUE(reader.next());
  EXPECT_EQ(reader.gap(), "(");
  ASSERT_TRUE(reader.next());
  EXPECT_EQ(reader.gap(), "), ");
  EXPECT_EQ(reader.rest(), "!");
  EXPECT_FALSE(reader.next());
}

TEST(QuestionWordsTest, FoldedIsCaseAndPunctuationAside) {
  EXPECT_EQ(folded("What  is ÉCOLE?\n"), "what is école");
  EXPECT_EQ(word_hashes("What is X?"), word_hashes("what, is x"));
  EXPECT_NE(word_hashes("what is x"), word_hashes("what is y"));
}

TEST(QuestionWordsTest, CodeIsNotReadable) {
  const std::vector<std::string_view> sentences = readable_sentences(
      "Call it so.\n>>> import os\n$ make all\nx = {1: [2, 3]}; y = x[1]\nIt is 北京。");
  EXPECT_EQ(Lines(sentences.begin(), sentences.end()), (Lines{"Call it so.", "It is 北京。"}));
}

TEST(QuestionWordsTest, WholeSentencesHaveAnEndAndFourWords) {
  for (const std::string_view whole : {"This is a sentence.", "Is this one (too)?)", "他说这是。”"})
    EXPECT_TRUE(is_whole_sentence(whole)) << whole;
  for (const std::string_view part : {"A list of items", "Too short it.", "它是。", ".", "", ")"})
    EXPECT_FALSE(is_whole_sentence(part)) << part;
}

TEST(QuestionWordsTest, EnglishIsKnownByItsSmallWords) {
  EXPECT_TRUE(is_english("The function returns a list of the names that it was given."));
  EXPECT_FALSE(is_english("Der Turm wurde in Bremen aus rotem Backstein gebaut."));
  EXPECT_FALSE(is_english("Le phare est sur une île de la mer du Nord et il est rouge."));
  EXPECT_FALSE(is_english("De toren is van rode steen en staat in het noorden van de stad."));
  EXPECT_FALSE(is_english("北京是中华人民共和国的首都。"));
  EXPECT_FALSE(is_english(""));
}

TEST(QuestionWordsTest, GerundsHaveTheirVerb) {
  EXPECT_EQ(base_of_gerund("installing"), "install");
  EXPECT_EQ(base_of_gerund("running"), "run");
  EXPECT_EQ(base_of_gerund("using"), "use");
  EXPECT_EQ(base_of_gerund("string"), std::nullopt);
}

}  // namespace
}  // namespace attune
