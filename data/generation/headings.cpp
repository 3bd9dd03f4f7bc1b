#include "data/generation/headings.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "core/error.h"
#include "data/generation/offline_generators.h"

namespace attune {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// "3.2.1." or "3.2.1" or "3." or "3)" or "A.1", never "3" or "A." alone unless `labelled`.
bool is_number(std::string_view word, bool labelled) {
  const bool has_mark = word.ends_with('.') || word.ends_with(')') || word.ends_with(':');
  if (has_mark) word.remove_suffix(1);
  if (word.empty()) return false;
  std::size_t at = 0, parts = 0;
  while (true) {
    const std::size_t begin = at;
    while (at < word.size() && is_digit(word[at])) ++at;
    if (at == begin && parts == 0 && is_upper(word[0])) at = 1;  // an appendix
    if (at == begin) return false;
    ++parts;
    if (at == word.size()) break;
    if (word[at++] != '.') return false;
  }
  return labelled || parts > 1 || (has_mark && is_digit(word[0]));
}

std::string query_of(const Passage& passage) {
  if (passage.headings.empty()) return passage.title;
  std::string last = strip_section_number(passage.headings.back());
  if (passage.headings.size() == 1 || last.ends_with('?') || last.ends_with("？")) return last;
  return str_cat(strip_section_number(passage.headings.end()[-2]), ": ", last);
}

}  // namespace

std::string strip_section_number(const std::string& heading) {
  static constexpr std::string_view kLabels[] = {"Chapter", "Appendix", "Section", "Part",
                                                 "Question"};
  const auto word_end = [&](std::size_t begin) {
    return std::min(heading.find(' ', begin), heading.size());
  };
  const auto word_at = [&](std::size_t begin) {
    return std::string_view(heading).substr(begin, word_end(begin) - begin);
  };
  const auto rest_after = [&](std::size_t end) {
    const std::size_t begin = heading.find_first_not_of(' ', end);
    return begin == std::string::npos ? heading : heading.substr(begin);
  };
  const std::string_view first = word_at(0);
  if (std::find(std::begin(kLabels), std::end(kLabels), first) != std::end(kLabels)) {
    const std::size_t begin = std::min(word_end(0) + 1, heading.size());
    const std::string_view number = word_at(begin);
    const bool has_mark = number.ends_with('.') || number.ends_with(':');
    return has_mark && is_number(number, true) ? rest_after(word_end(begin)) : heading;
  }
  if (first.size() >= 2 && first[0] == 'Q' && (first.back() == ':' || first.back() == '.') &&
      std::all_of(first.begin() + 1, first.end() - 1, is_digit))
    return rest_after(word_end(0));
  return is_number(first, false) ? rest_after(word_end(0)) : heading;
}

std::vector<Question> heading_questions(const Passages& passages,
                                        const OfflineSettings& /*settings*/) {
  std::vector<Question> questions;
  for (std::size_t row = 0; row < passages.rows.size(); ++row) {
    std::string query = query_of(passages.rows[row]);
    if (!query.empty())
      questions.push_back({std::move(query), static_cast<std::int64_t>(row), "headings"});
  }
  return questions;
}

}  // namespace attune
