#include "data/heading_pairs.h"
#include "data/documents/html_reader.h"

#include <gtest/gtest.h>

#include <set>

#include "core/error.h"
#include "core/hash.h"

namespace attune {
namespace {

Document page(const std::string& relative, const std::string& html) {
  return {"docs/" + relative, relative, 0, parse_html(html, relative)};
}

GenerateConfig short_passages() {
  GenerateConfig config;
  config.min_words = 2;
  config.max_words = 6;
  config.validation_share = 0;
  config.question_pages = {"faq*"};
  return config;
}

// "query -> passage" for every link.
std::vector<std::string> links(const EmbeddingQAFinetuneDataset& dataset) {
  std::vector<std::string> lines;
  for (std::int64_t query = 0; query < dataset.queries.size(); ++query)
    for (const std::int64_t row : dataset.relevant_docs[query])
      lines.push_back(dataset.queries.text(query) + " -> " + dataset.corpus.text(row));
  return lines;
}

using Lines = std::vector<std::string>;

TEST(HeadingPairsTest, StripsSectionNumbers) {
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

TEST(HeadingPairsTest, QueryIsTheLastTwoHeadings) {
  const HeadingPairs pairs = make_heading_pairs(
      {page("a.html",
            "<h1>1. Top</h1>first text<h2>1.1. Mid</h2>mid text<h3>1.1.1. Low</h3>low text")},
      short_passages(), 1);
  EXPECT_EQ(links(pairs.train),
            (Lines{"Top -> first text", "Top: Mid -> mid text", "Mid: Low -> low text"}));
  EXPECT_EQ(pairs.train.corpus.id(0), sha256("first text").substr(0, 16));
  EXPECT_EQ(pairs.train.queries.id(0), sha256("Top").substr(0, 16));
}

TEST(HeadingPairsTest, PassagesHaveLimitsAndTitles) {
  const HeadingPairs pairs = make_heading_pairs(
      {page("a.html",
            "<title>T</title>text before headings<h1>A</h1>one<h1>B</h1>1 2 3 4<p>5 6 7 8</p>"),
       page("b.html", "no title here")},
      short_passages(), 1);
  EXPECT_EQ(links(pairs.train), (Lines{"T -> text before headings", "B -> 1 2 3 4\n5 6"}));
  EXPECT_EQ(pairs.total.skipped_short, 1);
  EXPECT_EQ(pairs.total.skipped_untitled, 1);
  EXPECT_EQ(pairs.test.corpus.size(), 3);
}

TEST(HeadingPairsTest, DuplicatesAreMerged) {
  const HeadingPairs pairs = make_heading_pairs(
      {page("a.html",
            "<h1>A</h1>same text<h1>A</h1>same text<h1>A</h1>other text<h1>B</h1>same text")},
      short_passages(), 1);
  EXPECT_EQ(links(pairs.train), (Lines{"A -> same text", "A -> other text", "B -> same text"}));
  EXPECT_EQ(pairs.total.passages, 2);
  EXPECT_EQ(pairs.total.training_pairs, 3);
}

TEST(HeadingPairsTest, QuestionPagesAreTheTestAndNothingElse) {
  const HeadingPairs pairs = make_heading_pairs(
      {page("a.html",
            "<h1>Why so?</h1>on a manual page<h1>A</h1>because it is<h1>C</h1>plain text"),
       page("faq.html",
            "<h1>FAQ</h1>some intro<h2>1.1. Why so?</h2>because it is"
            "<dl><dt>How to?<dd>do it<dt>Short?<dd>yes</dl>")},
      short_passages(), 1);
  EXPECT_EQ(links(pairs.test), (Lines{"Why so? -> because it is", "How to? -> do it"}));
  EXPECT_EQ(links(pairs.train), (Lines{"C -> plain text"}));  // neither the question nor its answer
  EXPECT_EQ(pairs.total.skipped_leaking, 2);
  EXPECT_EQ(pairs.test.corpus.texts(),
            (Lines{"on a manual page", "because it is", "plain text", "some intro", "do it"}));
}

TEST(HeadingPairsTest, AQuestionBelowAnotherHeadingLeaksToo) {
  const HeadingPairs pairs =
      make_heading_pairs({page("a.html", "<h1>A</h1>plain text<h2>why  SO?</h2>some text"),
                          page("faq.html", "<h1>Why so?</h1>it is")},
                         short_passages(), 1);
  EXPECT_EQ(links(pairs.train), (Lines{"A -> plain text"}));
}

TEST(HeadingPairsTest, RepeatedAndAmbiguousQuestionsAreDropped) {
  const HeadingPairs pairs =
      make_heading_pairs({page("a.html", "<h1>A</h1>plain text"),
                          page("faq.html",
                               "<h1>Why  x?</h1>why X? so<h1>Y?</h1>one answer<h1>Y?</h1>other "
                               "answer<h1>Z?</h1>good answer")},
                         short_passages(), 1);
  EXPECT_EQ(links(pairs.test), (Lines{"Z? -> good answer"}));
  EXPECT_EQ(pairs.total.skipped_repeating, 1);
  EXPECT_EQ(pairs.total.skipped_ambiguous, 1);
}

std::vector<Document> many_pages() {
  std::vector<Document> pages;
  for (int i = 0; i < 40; ++i)
    pages.push_back(page(str_cat("p", i, ".html"),
                         str_cat("<h1>Page ", i, "</h1>text of ", i, "<h2>Part</h2>part of ", i,
                                 "<h1>Shared</h1>shared text<h1>Common</h1>own text ", i)));
  return pages;
}

TEST(HeadingPairsTest, ValidationIsWholePagesAndLeaksNothing) {
  GenerateConfig config = short_passages();
  config.validation_share = 0.25;
  const HeadingPairs pairs = make_heading_pairs(many_pages(), config, 3);
  std::set<std::string> training_queries(pairs.train.queries.texts().begin(),
                                         pairs.train.queries.texts().end());
  std::set<std::string> training_passages(pairs.train.corpus.texts().begin(),
                                          pairs.train.corpus.texts().end());
  int own_pages = 0;
  for (const std::string& query : pairs.validation.queries.texts()) {
    EXPECT_FALSE(training_queries.contains(query)) << query;
    own_pages += query.starts_with("Page ") && query.find(':') == std::string::npos;
  }
  for (const std::string& text : pairs.validation.corpus.texts())
    EXPECT_FALSE(training_passages.contains(text)) << text;
  EXPECT_EQ(own_pages, 10);
  EXPECT_EQ(pairs.total.documents, 40);
}

TEST(HeadingPairsTest, TheSeedDecides) {
  GenerateConfig config = short_passages();
  config.validation_share = 0.25;
  const auto validation = [&](std::uint64_t seed) {
    return make_heading_pairs(many_pages(), config, seed).validation.to_json();
  };
  EXPECT_EQ(validation(3), validation(3));
  EXPECT_NE(validation(3), validation(4));
}

TEST(HeadingPairsTest, NothingToTrainOnIsAnError) {
  EXPECT_THROW(make_heading_pairs({}, short_passages(), 1), Error);
  EXPECT_THROW(make_heading_pairs({page("faq.html", "<h1>Why?</h1>it is so")}, short_passages(), 1),
               Error);
}

}  // namespace
}  // namespace attune
