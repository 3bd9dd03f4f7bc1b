#include "data/heading_pairs.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/hash.h"

namespace attune {
namespace {

constexpr std::string_view kJoiner = ": ";
constexpr std::string_view kSpaces = " \t\n\r\f\v";

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

std::string id_of(const std::string& text) { return sha256(text).substr(0, 16); }

// The first `most` words with the white space between them, and how many words `text` has up to
// there.
std::pair<std::string, std::int64_t> cut_after(const std::string& text, std::int64_t most) {
  std::int64_t words = 0;
  std::size_t end = 0;
  while (words < most) {
    const std::size_t begin = text.find_first_not_of(kSpaces, end);
    if (begin == std::string::npos) break;
    end = std::min(text.find_first_of(kSpaces, begin), text.size());
    ++words;
  }
  return {text.substr(0, end), words};
}

// Lower-case ASCII letters, one space for any white space: how texts are compared for repetition.
std::string folded(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (kSpaces.find(c) != std::string_view::npos) {
      if (!result.empty() && result.back() != ' ') result += ' ';
    } else {
      result += is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  return result;
}

// Whether a query, or the heading that ends it, is one of `held` (folded).
bool is_held(const std::string& query, const std::unordered_set<std::string>& held) {
  const std::string text = folded(query);
  if (held.contains(text)) return true;
  for (std::size_t at = text.find(kJoiner); at != std::string::npos;
       at = text.find(kJoiner, at + 1))
    if (held.contains(text.substr(at + kJoiner.size()))) return true;
  return false;
}

struct Passage {
  std::string text;
  std::int64_t root;
};

// Queries with their passages in the order of their first appearance, made into one data set.
class PairCollector {
 public:
  void add(const std::string& query, std::int64_t passage) {
    const auto [found, is_new] = row_of_.try_emplace(query, queries_.size());
    if (is_new) queries_.push_back({query, {}});
    std::vector<std::int64_t>& passages = queries_[found->second].second;
    if (std::find(passages.begin(), passages.end(), passage) == passages.end())
      passages.push_back(passage);
  }
  const std::vector<std::pair<std::string, std::vector<std::int64_t>>>& queries() const {
    return queries_;
  }

 private:
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> queries_;
  std::unordered_map<std::string, std::size_t> row_of_;
};

class Maker {
 public:
  Maker(const std::vector<Document>& documents, const GenerateConfig& config, std::uint64_t seed)
      : documents_(documents), config_(config) {
    std::int64_t roots = 0;
    for (const Document& document : documents) roots = std::max(roots, document.root + 1);
    result_.by_root.resize(roots);
    const std::vector<bool> is_validation = choose_validation(seed);
    for (std::size_t i = 0; i < documents.size(); ++i) read(documents[i], is_validation[i]);
  }

  HeadingPairs finish() {
    std::unordered_set<std::string> held_queries;
    std::unordered_set<std::int64_t> held_passages;
    for (const auto& [question, answers] : questions_.queries()) {
      held_queries.insert(folded(question));
      held_passages.insert(answers.begin(), answers.end());
    }
    std::vector<std::int64_t> everything(passages_.size());
    for (std::size_t i = 0; i < everything.size(); ++i)
      everything[i] = static_cast<std::int64_t>(i);
    write_test(everything);
    write(validation_, held_queries, held_passages, result_.validation,
          &HeadingCounts::validation_pairs);
    for (const auto& [query, passages] : validation_.queries()) {
      held_queries.insert(folded(query));
      held_passages.insert(passages.begin(), passages.end());
    }
    write(training_, held_queries, held_passages, result_.train, &HeadingCounts::training_pairs);
    sum_up();
    if (result_.train.queries.size() == 0)
      throw_error(ErrorKind::kData, "documents: no training pair in ", result_.total.documents,
                  " pages with ", result_.total.sections, " sections (",
                  result_.total.skipped_short, " shorter than generate.min_words, ",
                  result_.total.skipped_untitled,
                  " without a heading); name more documents, or fewer question_pages");
    return std::move(result_);
  }

 private:
  HeadingCounts& counts_of(std::int64_t passage) {
    return result_.by_root[passages_[passage].root];
  }

  std::vector<bool> choose_validation(std::uint64_t seed) const {
    std::vector<std::pair<std::string, std::size_t>> pages;
    for (std::size_t i = 0; i < documents_.size(); ++i)
      if (!matches_any(config_.question_pages, documents_[i]))
        pages.emplace_back(sha256(str_cat(seed, "\n", documents_[i].relative)), i);
    std::sort(pages.begin(), pages.end());
    auto wanted = static_cast<std::size_t>(
        std::llround(config_.validation_share * static_cast<double>(pages.size())));
    if (config_.validation_share > 0 && pages.size() > 1) wanted = std::max<std::size_t>(wanted, 1);
    std::vector<bool> chosen(documents_.size());
    for (std::size_t i = 0; i < std::min(wanted, pages.size()); ++i) chosen[pages[i].second] = true;
    return chosen;
  }

  void read(const Document& document, bool is_validation) {
    HeadingCounts& counts = result_.by_root[document.root];
    ++counts.documents;
    const bool has_questions = matches_any(config_.question_pages, document);
    for (const Section& section : document.content.sections) {
      ++counts.sections;
      auto [text, words] = cut_after(section.text, config_.max_words);
      if (words < config_.min_words) {
        ++counts.skipped_short;
        continue;
      }
      const auto [found, is_new] =
          passage_of_.try_emplace(text, static_cast<std::int64_t>(passages_.size()));
      if (is_new) {
        ++counts.passages;
        passages_.push_back({text, document.root});
      }
      const std::string query = query_of(section, document, has_questions);
      if (query.empty())
        ++counts.skipped_untitled;
      else if (!has_questions)
        (is_validation ? validation_ : training_).add(query, found->second);
      else if (query.ends_with('?'))
        questions_.add(query, found->second);
    }
  }

  static std::string query_of(const Section& section, const Document& document,
                              bool has_questions) {
    const std::size_t depth = section.path.size();
    if (depth == 0) return has_questions ? std::string() : document.content.title;
    const std::string last = strip_section_number(section.path[depth - 1]);
    if (has_questions || depth == 1) return last;
    return str_cat(strip_section_number(section.path[depth - 2]), kJoiner, last);
  }

  void write_test(const std::vector<std::int64_t>& corpus) {
    EmbeddingQAFinetuneDataset& test = result_.test;
    for (const std::int64_t passage : corpus)
      test.corpus.add(id_of(passages_[passage].text), passages_[passage].text);
    for (const auto& [question, answers] : questions_.queries()) {
      HeadingCounts& counts = counts_of(answers[0]);
      if (answers.size() > 1) {
        ++counts.skipped_ambiguous;
      } else if (folded(passages_[answers[0]].text).find(folded(question)) != std::string::npos) {
        ++counts.skipped_repeating;
      } else {
        ++counts.questions;
        test.queries.add(id_of(question), question);
        test.relevant_docs.push_back({answers[0]});
      }
    }
  }

  void write(const PairCollector& pairs, const std::unordered_set<std::string>& held_queries,
             const std::unordered_set<std::int64_t>& held_passages, EmbeddingQAFinetuneDataset& out,
             std::int64_t HeadingCounts::* counter) {
    for (const auto& [query, passages] : pairs.queries()) {
      std::vector<std::int64_t> rows;
      const bool query_is_held = is_held(query, held_queries);
      for (const std::int64_t passage : passages) {
        if (query_is_held || held_passages.contains(passage)) {
          ++counts_of(passage).skipped_leaking;
          continue;
        }
        const std::string id = id_of(passages_[passage].text);
        out.corpus.add(id, passages_[passage].text);
        rows.push_back(out.corpus.find(id));
        ++(counts_of(passage).*counter);
      }
      if (rows.empty()) continue;
      out.queries.add(id_of(query), query);
      out.relevant_docs.push_back(std::move(rows));
    }
  }

  void sum_up() {
    for (const HeadingCounts& counts : result_.by_root) {
      HeadingCounts& total = result_.total;
      total.documents += counts.documents;
      total.sections += counts.sections;
      total.passages += counts.passages;
      total.training_pairs += counts.training_pairs;
      total.validation_pairs += counts.validation_pairs;
      total.questions += counts.questions;
      total.skipped_short += counts.skipped_short;
      total.skipped_untitled += counts.skipped_untitled;
      total.skipped_leaking += counts.skipped_leaking;
      total.skipped_repeating += counts.skipped_repeating;
      total.skipped_ambiguous += counts.skipped_ambiguous;
    }
  }

  const std::vector<Document>& documents_;
  const GenerateConfig& config_;
  std::vector<Passage> passages_;  // distinct, in the order of their first appearance
  std::unordered_map<std::string, std::int64_t> passage_of_;
  PairCollector training_, validation_, questions_;
  HeadingPairs result_;
};

}  // namespace

HeadingPairs make_heading_pairs(const std::vector<Document>& documents,
                                const GenerateConfig& config, std::uint64_t seed) {
  return Maker(documents, config, seed).finish();
}

}  // namespace attune
