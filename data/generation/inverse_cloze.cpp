#include "data/generation/inverse_cloze.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "data/generation/offline_draws.h"
#include "data/generation/offline_generators.h"
#include "data/generation/question_words.h"

namespace attune {
namespace {

constexpr double kStays = 0.1;
constexpr std::string_view kSpaces = " \t\n\r\f\v";

// `sentence` is a part of `text`. The white space before it goes, too.
std::string without(std::string_view text, std::string_view sentence) {
  const auto begin = static_cast<std::size_t>(sentence.data() - text.data());
  std::string_view before = text.substr(0, begin), after = text.substr(begin + sentence.size());
  before = before.substr(0, before.find_last_not_of(kSpaces) + 1);
  if (before.empty()) after.remove_prefix(std::min(after.find_first_not_of(kSpaces), after.size()));
  return std::string(before).append(after);
}

}  // namespace

std::vector<Question> inverse_cloze_questions(const Passages& passages,
                                              const OfflineSettings& settings) {
  std::vector<Question> questions;
  for (std::size_t row = 0; row < passages.rows.size(); ++row) {
    const Passage& passage = passages.rows[row];
    std::vector<std::string_view> sentences = readable_sentences(passage.text);
    std::erase_if(sentences, [](std::string_view s) { return !is_whole_sentence(s); });
    if (sentences.size() < 2) continue;
    OfflineDraws draws(settings.seed, "inverse_cloze", passage.id);
    for (std::size_t k = 0;
         k < sentences.size() && k < static_cast<std::size_t>(settings.per_passage); ++k) {
      std::swap(sentences[k], sentences[k + draws.below(sentences.size() - k)]);
      questions.push_back({std::string(sentences[k]), static_cast<std::int64_t>(row),
                           "inverse_cloze",
                           draws.chance(kStays) ? "" : without(passage.text, sentences[k])});
    }
  }
  return questions;
}

}  // namespace attune
