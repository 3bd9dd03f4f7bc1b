#include "data/generation/keyphrases.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "data/generation/english_words.h"
#include "data/generation/offline_generators.h"
#include "data/generation/question_words.h"

namespace attune {
namespace {

constexpr std::size_t kLongestPhrase = 3, kPhrasesPerQuestion = 2, kLongestWord = 64;  // bytes
constexpr std::int64_t kManyPassages = 50;
constexpr double kCommonShare = 0.1;

// One word of a passage's prose; id -1: it cannot be in a phrase.
struct Term {
  std::int32_t id = -1;
  std::string_view text;
};

// Words of all passages as numbers, and how many passages have each.
class Vocabulary {
 public:
  explicit Vocabulary(const Passages& passages)
      : passages_(static_cast<std::int64_t>(passages.rows.size())) {
    std::unordered_set<std::int32_t> seen;
    for (const Passage& passage : passages.rows) {
      seen.clear();
      for_each_piece(passage, [&](std::string_view piece) {
        for (WordReader words(piece); words.next();)
          if (is_candidate(words)) seen.insert(id_of_new(lower_case(words.word())));
      });
      for (const std::int32_t id : seen) ++frequency_[id];
    }
  }

  // The passage's words, with an empty Term wherever a phrase cannot go on.
  std::vector<Term> terms(const Passage& passage) const {
    std::vector<Term> terms;
    for_each_piece(passage, [&](std::string_view piece) {
      terms.emplace_back();
      for (WordReader words(piece); words.next();) {
        if (words.gap() != " " && words.gap() != "\n") terms.emplace_back();
        terms.push_back({content_id(words), words.word()});
      }
    });
    return terms;
  }

  double idf(std::int32_t id) const {
    return std::log(static_cast<double>(passages_ + 1) / static_cast<double>(frequency_[id]));
  }

 private:
  // Title, headings, and the whole sentences; all readable ones if none is whole.
  template <class Use>
  static void for_each_piece(const Passage& passage, const Use& use) {
    use(passage.title);
    for (const std::string& heading : passage.headings)
      if (heading != passage.title) use(heading);
    const std::vector<std::string_view> sentences = readable_sentences(passage.text);
    const bool any_whole = std::any_of(sentences.begin(), sentences.end(), is_whole_sentence);
    for (const std::string_view sentence : sentences)
      if (!any_whole || is_whole_sentence(sentence)) use(sentence);
  }

  static bool is_candidate(const WordReader& words) {
    return words.has_letter() && !words.is_unspaced() && words.word().size() > 1 &&
           words.word().size() <= kLongestWord;
  }

  std::int32_t id_of_new(std::string word) {
    const auto next = static_cast<std::int32_t>(frequency_.size());
    const auto [found, is_new] = ids_.try_emplace(std::move(word), next);
    if (is_new) frequency_.push_back(0);
    return found->second;
  }

  // -1 for what is no content word.
  std::int32_t content_id(const WordReader& words) const {
    if (!is_candidate(words)) return -1;
    const std::string word = lower_case(words.word());
    if (is_english_stop_word(word)) return -1;
    const std::int32_t id = ids_.at(word);
    const bool is_common =
        passages_ >= kManyPassages &&
        static_cast<double>(frequency_[id]) > kCommonShare * static_cast<double>(passages_);
    return is_common ? -1 : id;
  }

  std::int64_t passages_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::vector<std::int64_t> frequency_;  // passages that have the word
};

struct Phrase {
  std::size_t first, size;  // in the passage's terms
  double score;
};

// The candidates of a passage, best first; of equal ones the earlier.
std::vector<Phrase> ranked_phrases(const std::vector<Term>& terms, const Vocabulary& vocabulary) {
  std::unordered_map<std::int32_t, double> weight;  // tf-idf
  for (const Term& term : terms)
    if (term.id >= 0) weight[term.id] += vocabulary.idf(term.id);
  std::vector<Phrase> phrases;
  for (std::size_t end = 0; end < terms.size();) {
    const std::size_t first = end;
    double score = 0;
    while (end < terms.size() && terms[end].id >= 0) score += weight[terms[end++].id];
    if (end - first >= 1 && end - first <= kLongestPhrase)
      phrases.push_back({first, end - first, score});
    if (end == first) ++end;
  }
  std::stable_sort(phrases.begin(), phrases.end(),
                   [](const Phrase& a, const Phrase& b) { return a.score > b.score; });
  return phrases;
}

std::string joined(std::vector<Phrase>& phrases, const std::vector<Term>& terms) {
  std::sort(phrases.begin(), phrases.end(),
            [](const Phrase& a, const Phrase& b) { return a.first < b.first; });
  std::string text;
  for (const Phrase& phrase : phrases)
    for (std::size_t i = 0; i < phrase.size; ++i)
      text.append(text.empty() ? "" : " ").append(terms[phrase.first + i].text);
  return text;
}

}  // namespace

std::vector<Question> keyphrase_questions(const Passages& passages,
                                          const OfflineSettings& settings) {
  const Vocabulary vocabulary(passages);
  std::vector<Question> questions;
  std::unordered_set<std::int32_t> used;
  for (std::size_t row = 0; row < passages.rows.size(); ++row) {
    const std::vector<Term> terms = vocabulary.terms(passages.rows[row]);
    std::vector<Phrase> taken;
    int made = 0;
    used.clear();
    const auto ask = [&] {
      questions.push_back({joined(taken, terms), static_cast<std::int64_t>(row), "keyphrases"});
      taken.clear();
      ++made;
    };
    for (const Phrase& phrase : ranked_phrases(terms, vocabulary)) {
      if (made == settings.per_passage) break;
      const auto begin = terms.begin() + static_cast<std::ptrdiff_t>(phrase.first);
      const auto end = begin + static_cast<std::ptrdiff_t>(phrase.size);
      if (std::any_of(begin, end, [&](const Term& term) { return used.contains(term.id); }))
        continue;
      for (auto term = begin; term != end; ++term) used.insert(term->id);
      taken.push_back(phrase);
      if (taken.size() == kPhrasesPerQuestion) ask();
    }
    if (made < settings.per_passage && taken.size() == 1 && taken[0].size > 1) ask();
  }
  return questions;
}

}  // namespace attune
