#include "data/generation/question_datasets.h"

#include <gtest/gtest.h>

#include <set>

#include "core/error.h"
#include "core/hash.h"

namespace attune {
namespace {

using Lines = std::vector<std::string>;

// "query -> passage" for every link.
Lines links(const EmbeddingQAFinetuneDataset& dataset) {
  Lines lines;
  for (std::int64_t query = 0; query < dataset.queries.size(); ++query)
    for (const std::int64_t row : dataset.relevant_docs[query])
      lines.push_back(dataset.queries.text(query) + " -> " + dataset.corpus.text(row));
  return lines;
}

// Documents, their passages and one question for each passage, written down section by section.
class Collection {
 public:
  Collection& document(const std::string& relative) {
    documents_.push_back({"docs/" + relative, relative, 0, {}});
    section_ = 0;
    return *this;
  }
  Collection& section(const Lines& headings, const Lines& texts) {
    for (const std::string& text : texts) {
      Passage passage;
      passage.text = text;
      passage.document = std::ssize(documents_) - 1;
      passage.section = section_;
      passage.headings = headings;
      passages_.rows.push_back(passage);
    }
    ++section_;
    return *this;
  }
  // Of the newest passage.
  Collection& question(const std::string& text, const std::string& positive = "") {
    questions_.push_back({text, std::ssize(passages_.rows) - 1, "rules", positive});
    return *this;
  }
  QuestionDatasets make(const SplitConfig& config, std::uint64_t seed = 1) const {
    const std::vector<Part> parts = split_documents(documents_, config, seed);
    return make_question_datasets(passages_, questions_, parts, config);
  }
  std::vector<std::int64_t> to_ask(const SplitConfig& config) const {
    return passages_to_ask(passages_, split_documents(documents_, config, 1), config);
  }

 private:
  std::vector<Document> documents_;
  Passages passages_;
  std::vector<Question> questions_;
  std::int64_t section_ = 0;
};

SplitConfig faq_is_the_test() {
  SplitConfig config;
  config.validation_share = 0;
  config.question_pages = {"faq*"};
  return config;
}

TEST(QuestionDatasetsTest, AQueryOverSeveralPassagesIsOneQuery) {
  const QuestionDatasets made = Collection()
                                    .document("a")
                                    .section({"A"}, {"same text"})
                                    .question("A")
                                    .question("A")
                                    .section({"A"}, {"other text"})
                                    .question("A")
                                    .question("B")
                                    .make(faq_is_the_test());
  EXPECT_EQ(links(made.train), (Lines{"A -> same text", "A -> other text", "B -> other text"}));
  EXPECT_EQ(made.train_pairs, 3);
  EXPECT_EQ(made.train.corpus.id(0), sha256("same text").substr(0, 16));
  EXPECT_EQ(made.train.queries.id(0), sha256("A").substr(0, 16));
}

TEST(QuestionDatasetsTest, QuestionPagesAreTheTestAndNothingElse) {
  Collection collection;
  collection.document("a")
      .section({"Why so?"}, {"on a manual page"})
      .question("Why so?")
      .section({"C"}, {"plain text"})
      .question("C")
      .question("Part: why  SO?")
      .document("faq.html")
      .section({"FAQ"}, {"some intro"})
      .section({"FAQ", "1.1. Why so?"}, {"because it is", "and it was"})
      .section({"FAQ", "How to?"}, {"do it"});
  const QuestionDatasets made = collection.make(faq_is_the_test());
  EXPECT_EQ(links(made.test),
            (Lines{"Why so? -> because it is", "Why so? -> and it was", "How to? -> do it"}));
  EXPECT_EQ(links(made.train), (Lines{"C -> plain text"}));
  EXPECT_EQ(made.leaking, 2);
  EXPECT_EQ(made.test.corpus.texts(), (Lines{"on a manual page", "plain text", "some intro",
                                             "because it is", "and it was", "do it"}));
  EXPECT_EQ(collection.to_ask(faq_is_the_test()), (std::vector<std::int64_t>{0, 1}));
}

TEST(QuestionDatasetsTest, RepeatedAndAmbiguousQuestionsAreDropped) {
  const QuestionDatasets made = Collection()
                                    .document("a")
                                    .section({"A"}, {"plain text"})
                                    .question("A")
                                    .document("faq.html")
                                    .section({"Why  \xC3\x84?"}, {"why \xC3\xA4? so"})
                                    .section({"Y?"}, {"one answer"})
                                    .section({"Y?"}, {"other answer"})
                                    .section({"Z?"}, {"good answer"})
                                    .make(faq_is_the_test());
  EXPECT_EQ(links(made.test), (Lines{"Z? -> good answer"}));
  EXPECT_EQ(made.repeating, 1);
  EXPECT_EQ(made.ambiguous, 1);
}

TEST(QuestionDatasetsTest, OnlyTrainingTakesAPartOfAPassage) {
  Collection collection;
  for (int i = 0; i < 20; ++i)
    collection.document(str_cat("p", i))
        .section({}, {str_cat("whole ", i)})
        .question(str_cat("question ", i), str_cat("part ", i));
  const QuestionDatasets made = collection.make({});
  for (const std::string& text : made.train.corpus.texts()) EXPECT_TRUE(text.starts_with("part "));
  for (const std::string& text : made.validation.corpus.texts())
    EXPECT_TRUE(text.starts_with("whole "));
  EXPECT_EQ(made.train.queries.size(), 16);
  EXPECT_EQ(made.validation.queries.size(), 2);
  EXPECT_EQ(made.test.queries.size(), 2);
  EXPECT_EQ(made.test.corpus.size(), 20);
}

Collection many_documents() {
  Collection collection;
  for (int i = 0; i < 40; ++i)
    collection.document(str_cat("p", i, ".html"))
        .section({}, {str_cat("text of ", i)})
        .question(str_cat("Page ", i))
        .question("Common")
        .section({}, {str_cat("own text ", i)})
        .question(str_cat("Page ", i, ": own"));
  return collection;
}

TEST(QuestionDatasetsTest, PartsAreWholeDocumentsAndLeakNothing) {
  SplitConfig config;
  config.validation_share = 0.25;
  const QuestionDatasets made = many_documents().make(config, 3);
  const auto set_of = [](const TextTable& table) {
    return std::set<std::string>(table.texts().begin(), table.texts().end());
  };
  const std::set<std::string> queries = set_of(made.train.queries);
  const std::set<std::string> passages = set_of(made.train.corpus);
  for (const auto* held : {&made.validation, &made.test})
    for (std::int64_t query = 0; query < held->queries.size(); ++query) {
      EXPECT_FALSE(queries.contains(held->queries.text(query))) << held->queries.text(query);
      for (const std::int64_t row : held->relevant_docs[query])
        EXPECT_FALSE(passages.contains(held->corpus.text(row))) << held->corpus.text(row);
    }
  EXPECT_EQ(made.validation.corpus.size(), 20);
  EXPECT_EQ(made.train.corpus.size(), 2 * 26);
  EXPECT_EQ(made.test.queries.size(), 2 * 4 + 1);
  EXPECT_EQ(made.leaking, 36) << "Common, which the test has";
}

TEST(QuestionDatasetsTest, TheSeedDecides) {
  const auto validation = [](std::uint64_t seed) {
    return many_documents().make({}, seed).validation.to_json();
  };
  EXPECT_EQ(validation(3), validation(3));
  EXPECT_NE(validation(3), validation(4));
}

TEST(QuestionDatasetsTest, NothingToTrainOnIsAnError) {
  EXPECT_THROW(Collection().make({}), Error);
  EXPECT_THROW(Collection().document("faq").section({"Why?"}, {"it is"}).make(faq_is_the_test()),
               Error);
}

}  // namespace
}  // namespace attune
