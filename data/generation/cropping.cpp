#include "data/generation/cropping.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "data/generation/offline_draws.h"
#include "data/generation/offline_generators.h"
#include "data/generation/question_words.h"

namespace attune {
namespace {

constexpr std::size_t kShortestPassage = 16, kShortestSpan = 4, kLongestQuery = 64;

}  // namespace

std::vector<Question> cropping_questions(const Passages& passages,
                                         const OfflineSettings& settings) {
  std::vector<Question> questions;
  std::vector<std::string_view> words;
  for (std::size_t row = 0; row < passages.rows.size(); ++row) {
    const Passage& passage = passages.rows[row];
    words.clear();
    for (WordReader reader(passage.text); reader.next();) words.push_back(reader.word());
    if (words.size() < kShortestPassage) continue;
    OfflineDraws draws(settings.seed, "cropping", passage.id);
    const std::size_t shortest = std::max(kShortestSpan, words.size() / 20);
    const auto span = [&](std::size_t longest) {
      const std::size_t size = shortest + draws.below(std::max(longest, shortest) - shortest + 1);
      const std::size_t first = draws.below(words.size() - size + 1);
      const char* begin = words[first].data();
      const std::string_view last = words[first + size - 1];
      return std::string(begin, last.data() + last.size());
    };
    for (int k = 0; k < settings.per_passage; ++k) {
      std::string query = span(std::min(words.size() / 2, kLongestQuery));
      std::string positive = span(words.size() / 2);
      std::replace(query.begin(), query.end(), '\n', ' ');
      questions.push_back(
          {std::move(query), static_cast<std::int64_t>(row), "cropping", std::move(positive)});
    }
  }
  return questions;
}

}  // namespace attune
