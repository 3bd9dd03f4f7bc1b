// Questions and passages made into three data sets: train, validation and test.
//
// Split: whole documents, by the order of SHA-256(seed, document), so that no document is in two
// parts; equal and nearly equal passages were dropped when documents were cut. Documents that match
// `question_pages` (FAQs) are the test; without such patterns `test_share` of them is.
//
// Test: on question pages every heading that ends in '?' is a query that people wrote, and the
// passages of the section below it answer it; without question pages, the generated questions of
// the test's documents. Its corpus is every passage of every document.
//
// Nothing leaks into training: a question is dropped where its text, or what follows a ": " in it,
// is also one of validation or test; a question of people is dropped when its answer repeats it
// word for word, or when it stands over several sections.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/config_reader.h"
#include "data/chunks/passages.h"
#include "data/documents/document.h"
#include "data/generation/question.h"
#include "data/qa_dataset.h"

namespace attune {

enum class Part : std::uint8_t { kTrain, kValidation, kTest };

struct SplitConfig {
  double validation_share = 0.1;
  double test_share = 0.1;
  std::vector<std::string> question_pages;

  template <class Fields>
  void visit(Fields& f) {
    f.field("validation_share", validation_share, "part of the documents kept for validation",
            between(0, 0.9));
    f.field("test_share", test_share,
            "part of the documents kept for the test, where no question_pages are given",
            between(0, 0.9));
    f.field("question_pages", question_pages,
            "patterns of documents whose question headings are the test (FAQs); see "
            "documents.exclude");
  }
};

struct QuestionDatasets {
  // Queries and passages have the first 16 hexadecimal digits of their text's SHA-256 for ids. A
  // query over several passages is one query with several relevant passages.
  EmbeddingQAFinetuneDataset train, validation, test;
  std::int64_t train_pairs = 0, validation_pairs = 0;  // query-passage links
  std::int64_t leaking = 0;                            // questions that would leak into training
  std::int64_t repeating = 0;  // questions of people that their answer repeats
  std::int64_t ambiguous = 0;  // questions of people over several sections
};

// [documents]
std::vector<Part> split_documents(std::span<const Document> documents, const SplitConfig& config,
                                  std::uint64_t seed);

// The passages that questions are to be generated for: all but those of question pages.
std::vector<std::int64_t> passages_to_ask(const Passages& passages, std::span<const Part> parts,
                                          const SplitConfig& config);

// Questions in the order of their passages. Error{kData}: none is left for training.
QuestionDatasets make_question_datasets(const Passages& passages,
                                        std::span<const Question> questions,
                                        std::span<const Part> parts, const SplitConfig& config);

}  // namespace attune
