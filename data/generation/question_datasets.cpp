#include "data/generation/question_datasets.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "data/documents/documents.h"
#include "data/folded_text.h"
#include "data/generation/headings.h"
#include "data/text_id.h"

namespace attune {
namespace {

// Folded questions of the parts that training must not see.
using Held = std::unordered_set<std::string>;

constexpr std::string_view kJoiner = ": ";  // between headings (headings.h)

// Whether a question, or the heading that ends it, is held.
bool is_held(const std::string& question, const Held& held) {
  const std::string text = folded_text(question);
  if (held.contains(text)) return true;
  for (std::size_t at = text.find(kJoiner); at != std::string::npos;
       at = text.find(kJoiner, at + 1))
    if (held.contains(text.substr(at + kJoiner.size()))) return true;
  return false;
}

// Queries with the texts that answer them, in the order of their first appearance.
class PairCollector {
 public:
  void add(const std::string& query, const std::string& text) {
    const auto [found, is_new] = row_of_.try_emplace(query, dataset_.relevant_docs.size());
    if (is_new) {
      dataset_.queries.add(text_id(query), query);
      dataset_.relevant_docs.emplace_back();
    }
    const std::string id = text_id(text);
    dataset_.corpus.add(id, text);
    const std::int64_t row = dataset_.corpus.find(id);
    std::vector<std::int64_t>& relevant = dataset_.relevant_docs[found->second];
    if (std::find(relevant.begin(), relevant.end(), row) != relevant.end()) return;
    relevant.push_back(row);
    ++pairs_;
  }
  void add_passage(const std::string& text) { dataset_.corpus.add(text_id(text), text); }
  std::int64_t pairs() const { return pairs_; }
  EmbeddingQAFinetuneDataset take() { return std::move(dataset_); }

 private:
  EmbeddingQAFinetuneDataset dataset_;
  std::unordered_map<std::string, std::size_t> row_of_;
  std::int64_t pairs_ = 0;
};

// A question that people wrote over a section.
struct Asked {
  std::string text;
  std::vector<std::int64_t> passages;  // of the section
  int sections = 1;                    // that it stands over
};

std::vector<Asked> questions_of_people(const Passages& passages, std::span<const Part> parts) {
  std::vector<Asked> asked;
  std::unordered_map<std::string, std::size_t> row_of;
  const Passage* last = nullptr;
  for (std::size_t row = 0; row < passages.rows.size(); ++row) {
    const Passage& passage = passages.rows[row];
    if (parts[passage.document] != Part::kTest || passage.headings.empty()) continue;
    const std::string text = strip_section_number(passage.headings.back());
    if (!text.ends_with('?')) continue;
    const auto [found, is_new] = row_of.try_emplace(folded_text(text), asked.size());
    if (is_new) asked.push_back({text, {}});
    const bool is_next_part =
        last != nullptr && last->document == passage.document && last->section == passage.section;
    if (!is_new && !is_next_part) ++asked[found->second].sections;
    asked[found->second].passages.push_back(static_cast<std::int64_t>(row));
    last = &passage;
  }
  return asked;
}

bool is_repeated(const Asked& asked, const Passages& passages) {
  const std::string question = folded_text(asked.text);
  return std::any_of(asked.passages.begin(), asked.passages.end(), [&](std::int64_t row) {
    return folded_text(passages.rows[row].text).find(question) != std::string::npos;
  });
}

}  // namespace

std::vector<Part> split_documents(std::span<const Document> documents, const SplitConfig& config,
                                  std::uint64_t seed) {
  std::vector<Part> parts(documents.size(), Part::kTrain);
  std::vector<std::pair<std::string, std::size_t>> others;
  for (std::size_t i = 0; i < documents.size(); ++i)
    if (matches_any(config.question_pages, documents[i]))
      parts[i] = Part::kTest;
    else
      others.emplace_back(sha256(str_cat(seed, "\n", documents[i].relative)), i);
  std::sort(others.begin(), others.end());
  std::size_t next = 0;
  const auto take = [&](double share, Part part) {
    auto wanted =
        static_cast<std::size_t>(std::llround(share * static_cast<double>(others.size())));
    if (share > 0 && others.size() > 2) wanted = std::max<std::size_t>(wanted, 1);
    for (; wanted > 0 && next < others.size(); --wanted) parts[others[next++].second] = part;
  };
  take(config.validation_share, Part::kValidation);
  if (config.question_pages.empty()) take(config.test_share, Part::kTest);
  return parts;
}

std::vector<std::int64_t> passages_to_ask(const Passages& passages, std::span<const Part> parts,
                                          const SplitConfig& config) {
  std::vector<std::int64_t> rows;
  for (std::size_t row = 0; row < passages.rows.size(); ++row)
    if (config.question_pages.empty() || parts[passages.rows[row].document] != Part::kTest)
      rows.push_back(static_cast<std::int64_t>(row));
  return rows;
}

QuestionDatasets make_question_datasets(const Passages& passages,
                                        std::span<const Question> questions,
                                        std::span<const Part> parts, const SplitConfig& config) {
  QuestionDatasets result;
  PairCollector train, validation, test;
  Held held;
  for (const Passage& passage : passages.rows) test.add_passage(passage.text);
  if (!config.question_pages.empty()) {
    for (const Asked& asked : questions_of_people(passages, parts)) {
      held.insert(folded_text(asked.text));
      if (asked.sections > 1)
        ++result.ambiguous;
      else if (is_repeated(asked, passages))
        ++result.repeating;
      else
        for (const std::int64_t row : asked.passages) test.add(asked.text, passages.rows[row].text);
    }
  }
  // What is held out is ranked against whole passages; only training takes what a generator left.
  const auto collect = [&](Part part, PairCollector& into) {
    std::vector<std::string> added;
    for (const Question& question : questions) {
      const Passage& passage = passages.rows[question.passage];
      if (parts[passage.document] != part) continue;
      if (is_held(question.text, held)) {
        ++result.leaking;
        continue;
      }
      const bool whole = part != Part::kTrain || question.positive.empty();
      into.add(question.text, whole ? passage.text : question.positive);
      added.push_back(folded_text(question.text));
    }
    held.insert(added.begin(), added.end());
  };
  if (config.question_pages.empty()) collect(Part::kTest, test);
  collect(Part::kValidation, validation);
  collect(Part::kTrain, train);
  result.train_pairs = train.pairs();
  result.validation_pairs = validation.pairs();
  result.train = train.take();
  result.validation = validation.take();
  result.test = test.take();
  if (result.train.queries.size() == 0)
    throw_error(ErrorKind::kData, "documents: no pair for training in ", passages.documents,
                " documents with ", passages.sections, " sections and ", passages.rows.size(),
                " passages (", passages.skipped_short, " shorter than chunks.min_words, ",
                questions.size(),
                " questions); name more documents, fewer question_pages or other generators");
  return result;
}

}  // namespace attune
