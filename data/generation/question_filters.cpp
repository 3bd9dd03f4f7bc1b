#include "data/generation/question_filters.h"

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "data/generation/offline_generators.h"
#include "data/generation/question_words.h"

namespace attune {
namespace {

constexpr std::size_t kShortestCopy = 5;  // words
constexpr std::uint64_t kBase = 0x9E3779B97F4A7C15 | 1;

using Hashes = std::vector<std::uint64_t>;

// Whether `text` has a run of `size` > 0 words of `question`. Rabin and Karp 1987: one pass over
// each with a rolling hash; hits are compared.
bool shares_run(const Hashes& question, const Hashes& text, std::size_t size) {
  if (question.size() < size || text.size() < size) return false;
  std::uint64_t power = 1;
  for (std::size_t i = 1; i < size; ++i) power *= kBase;
  const auto for_each_run = [&](const Hashes& words, const auto& use) {
    std::uint64_t hash = 0;
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (i >= size) hash -= words[i - size] * power;
      hash = hash * kBase + words[i];
      if (i + 1 >= size && use(hash, i + 1 - size)) return true;
    }
    return false;
  };
  std::unordered_map<std::uint64_t, std::size_t> runs;
  for_each_run(question, [&](std::uint64_t hash, std::size_t at) {
    runs.emplace(hash, at);
    return false;
  });
  return for_each_run(text, [&](std::uint64_t hash, std::size_t at) {
    const auto found = runs.find(hash);
    return found != runs.end() &&
           std::equal(text.begin() + static_cast<std::ptrdiff_t>(at),
                      text.begin() + static_cast<std::ptrdiff_t>(at + size),
                      question.begin() + static_cast<std::ptrdiff_t>(found->second));
  });
}

std::vector<std::string> lower_words(std::string_view text) {
  std::vector<std::string> words;
  for (WordReader reader(text); reader.next();) words.push_back(lower_case(reader.word()));
  return words;
}

template <std::size_t N>
bool is_one_of(std::string_view word, const std::string_view (&list)[N]) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

// "Answer: ..." anywhere, "Q:", "Q1." or "A:" at the beginning, choices "A) ... B)".
bool has_answer_marker(std::string_view text) {
  bool has_choice_a = false, is_first = true;
  for (WordReader reader(text); reader.next(); is_first = false) {
    const std::string word = lower_case(reader.word());
    const std::string_view rest = reader.rest();
    const bool before_colon = rest.starts_with(':') || rest.starts_with("：");
    if (before_colon && is_one_of(word, {"answer", "answers"})) return true;
    if (is_first && before_colon && is_one_of(word, {"q", "a", "question"})) return true;
    if (is_first && word.size() > 1 && word[0] == 'q' && (before_colon || rest.starts_with('.')) &&
        std::all_of(word.begin() + 1, word.end(), [](char c) { return c >= '0' && c <= '9'; }))
      return true;
    if (rest.starts_with(')')) {
      has_choice_a |= word == "a";
      if (has_choice_a && word == "b") return true;
    }
  }
  return false;
}

// N: a noun for what was read; M: one that hardly means anything else; V: "mentioned", "given";
// P: a preposition; $: the end of the question; any other word is itself.
bool matches(std::string_view sign, std::string_view word) {
  static constexpr std::string_view kNouns[] = {
      "text",      "passage", "context", "document",    "article",      "excerpt",
      "paragraph", "section", "snippet", "information", "content",      "chapter",
      "page",      "story",   "extract", "material",    "documentation"};
  if (sign == "N") return is_one_of(word, kNouns);
  if (sign == "M")
    return is_one_of(word, {"passage", "excerpt", "paragraph", "snippet", "extract"});
  if (sign == "V")
    return is_one_of(word, {"mentioned", "described", "discussed", "stated", "given", "provided",
                            "presented", "listed", "shown", "outlined", "referenced", "explained"});
  if (sign == "P") return is_one_of(word, {"in", "from", "by", "of", "on", "per", "within"});
  return sign == word;
}

bool names_the_text(const std::vector<std::string>& words) {
  using Pattern = std::vector<std::string_view>;
  static const std::vector<Pattern> kPatterns = {
      {"according", "to", "the", "N"},
      {"according", "to", "this", "N"},
      {"according", "to", "the", "author"},
      {"according", "to", "the", "V", "N"},
      {"based", "on", "the", "N", "$"},
      {"based", "on", "the", "V", "N"},
      {"based", "on", "the", "M"},
      {"the", "N", "above"},
      {"the", "above", "N"},
      {"the", "N", "provided"},
      {"the", "V", "N"},
      {"this", "N"},
      {"the", "following", "M"},
      {"the", "context", "information"},
      {"P", "the", "M"},
      {"P", "the", "text", "$"},
      {"P", "the", "context", "$"},
      {"P", "the", "document", "$"},
      {"P", "the", "article", "$"},
      {"V", "in", "the", "N"},
      {"V", "by", "the", "author"},
      {"does", "the", "author"},
      {"did", "the", "author"},
      {"does", "the", "M"},
      {"does", "the", "text"},
      {"does", "the", "article"},
      {"V", "above"},
      {"as", "V", "earlier"},
  };
  for (std::size_t at = 0; at < words.size(); ++at)
    for (const Pattern& pattern : kPatterns) {
      std::size_t i = 0;
      while (i < pattern.size() &&
             matches(pattern[i], at + i < words.size() ? std::string_view(words[at + i]) : "$"))
        ++i;
      if (i == pattern.size()) return true;
    }
  return false;
}

bool has_letter(std::string_view text) {
  for (WordReader reader(text); reader.next();)
    if (reader.has_letter()) return true;
  return false;
}

class Filter {
 public:
  Filter(const Passages& passages, const FilterConfig& config)
      : passages_(passages), config_(config) {}

  // The first rule that drops it, FilterCounts::dropped's number; -1: kept.
  int rule_of(const Question& question) {
    if (!has_letter(question.text)) return 0;
    const Hashes hashes = word_hashes(question.text);
    const auto words = static_cast<std::int64_t>(hashes.size());
    if (words < config_.min_words) return 1;
    if (words > config_.max_words) return 2;
    if (has_answer_marker(question.text)) return 3;
    if (names_the_text(lower_words(question.text))) return 4;
    if (is_copied(question, hashes)) return 5;
    if (!seen_.insert(str_cat(question.passage, " ", folded(question.text))).second) return 6;
    return -1;
  }

 private:
  bool is_copied(const Question& question, const Hashes& words) {
    const OfflineGenerator* generator = find_offline_generator(question.generator);
    if (generator != nullptr && generator->copies) return false;
    // The fewest words that are more than max_copied of all.
    const auto fewest =
        static_cast<std::size_t>(config_.max_copied * static_cast<double>(words.size()) + 1e-9) + 1;
    const std::size_t size = std::max(fewest, kShortestCopy);
    if (size > words.size()) return false;
    if (!question.positive.empty()) return shares_run(words, word_hashes(question.positive), size);
    if (question.passage != row_) {
      row_ = question.passage;
      text_ = word_hashes(passages_.rows[static_cast<std::size_t>(row_)].text);
    }
    return shares_run(words, text_, size);
  }

  const Passages& passages_;
  const FilterConfig& config_;
  std::unordered_set<std::string> seen_;
  std::int64_t row_ = -1;
  Hashes text_;  // of row_
};

}  // namespace

FilterCounts filter_questions(std::vector<Question>& questions, const Passages& passages,
                              const FilterConfig& config) {
  FilterCounts counts;
  Filter filter(passages, config);
  std::erase_if(questions, [&](const Question& question) {
    ATTUNE_ASSERT(question.passage >= 0 &&
                  question.passage < static_cast<std::int64_t>(passages.rows.size()));
    ++counts.questions;
    const int rule = filter.rule_of(question);
    if (rule < 0) return ++counts.kept, false;
    return ++counts.dropped[static_cast<std::size_t>(rule)].second, true;
  });
  return counts;
}

}  // namespace attune
