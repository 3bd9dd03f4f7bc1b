#include "data/generation/question_parser.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/json.h"

namespace attune {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Removes `prefix` if the text begins with it.
bool skip(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// As skip(), for ASCII words in any case.
bool skip_word(std::string_view& text, std::string_view lower_case) {
  if (text.size() < lower_case.size()) return false;
  for (std::size_t i = 0; i < lower_case.size(); ++i) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 'a' - 'A') : c) != lower_case[i])
      return false;
  }
  text.remove_prefix(lower_case.size());
  return true;
}

bool ends_in_any(std::string_view text, std::initializer_list<std::string_view> ends) {
  return std::any_of(ends.begin(), ends.end(),
                     [&](std::string_view end) { return text.ends_with(end); });
}

// Without what a model thought before it answered. Chat templates often put the opening tag into
// the prompt, so that only the closing one is in the answer.
std::string without_reasoning(std::string_view answer) {
  std::string out(answer);
  for (const std::string name : {"think", "thinking", "reasoning"}) {
    const std::string opening = "<" + name + ">", closing = "</" + name + ">";
    if (const std::size_t end = out.rfind(closing); end != std::string::npos)
      out.erase(0, end + closing.size());
    if (const std::size_t begin = out.find(opening); begin != std::string::npos) out.erase(begin);
  }
  return out;
}

// Numbers: "12." "12)" "12.)" "12:" "(12)" "[12]" and their full-width forms, followed by a blank,
// emphasis, a quote or the end; so not "1.5 litres" or "3D". Only up to three digits: not a year.
bool skip_number(std::string_view& text) {
  std::string_view rest = text;
  const bool opened = skip(rest, "(") || skip(rest, "[") || skip(rest, "#");
  std::size_t digits = 0;
  while (digits < rest.size() && is_digit(rest[digits])) ++digits;
  if (digits == 0 || digits > 3) return false;
  rest.remove_prefix(digits);
  while (skip(rest, "**") || skip(rest, "__")) {
  }
  bool closed = false, wide = false;
  for (bool more = true; more;) {
    more = skip(rest, ".") || skip(rest, ")") || skip(rest, ":") || skip(rest, "]");
    const bool more_wide = skip(rest, "、") || skip(rest, "．") || skip(rest, "：") ||
                           skip(rest, "）") || skip(rest, "。");
    wide = wide || more_wide;
    more = more || more_wide;
    closed = closed || more;
  }
  if (!closed) return false;
  if (!wide && !rest.empty() && !is_blank(rest.front()) && rest.front() != '*' &&
      rest.front() != '_' && rest.front() != '"' && !(opened && rest.front() != '('))
    return false;
  text = rest;
  return true;
}

// "Q:", "Q1.", "Question 1:", "Question:", alone or followed by the question.
bool skip_label(std::string_view& text) {
  for (const std::string_view word : {"question", "query", "q", "问题", "質問", "问", "問"}) {
    std::string_view rest = text;
    if (!skip_word(rest, word)) continue;
    rest = rest.substr(std::min(rest.find_first_not_of(" #"), rest.size()));
    std::string_view numbered = rest;
    if (skip_number(numbered)) {
      text = numbered;
      return true;
    }
    while (!rest.empty() && is_digit(rest.front())) rest.remove_prefix(1);
    rest = rest.substr(std::min(rest.find_first_not_of("*"), rest.size()));
    if (skip(rest, ":") || skip(rest, "：") || rest.empty()) {
      text = rest;
      return true;
    }
  }
  return false;
}

bool asks(std::string_view text) {
  return ends_in_any(text, {"?", "？", "؟", "?\"", "?)", "?**", "？」"});
}

// "A: ...", "Answer 1: ..."
bool is_answer(std::string_view text) {
  if (asks(text)) return false;
  if (!skip_word(text, "answer") && !skip(text, "A")) return false;
  while (!text.empty() && (is_digit(text.front()) || text.front() == ' ' || text.front() == '*'))
    text.remove_prefix(1);
  return text.starts_with(":") || text.starts_with("：");
}

enum class Mark : std::uint8_t { kNone, kBullet, kNumber };

struct Line {
  std::string text;
  Mark mark = Mark::kNone;
};

// Whether there is anything but ASCII punctuation.
bool has_word(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80) != 0;
  });
}

// One pair of the same quotes or emphasis around all of it.
std::string_view without_quotes(std::string_view text) {
  constexpr std::pair<std::string_view, std::string_view> kPairs[] = {
      {"**", "**"}, {"__", "__"}, {"\"", "\""}, {"'", "'"}, {"`", "`"}, {"“", "”"},
      {"„", "“"},   {"«", "»"},   {"「", "」"}, {"‘", "’"}, {"*", "*"}, {"_", "_"}};
  for (bool more = true; std::exchange(more, false);)
    for (const auto& [open, close] : kPairs) {
      if (text.size() <= open.size() + close.size() || !text.starts_with(open) ||
          !text.ends_with(close))
        continue;
      const std::string_view inner =
          text.substr(open.size(), text.size() - open.size() - close.size());
      if (inner.find(open) != std::string_view::npos || inner.find(close) != std::string_view::npos)
        continue;
      text = trim(inner);
      more = true;
    }
  return text;
}

// White space and control characters as one blank.
std::string in_one_line(std::string_view text) {
  std::string out;
  for (const char c : trim(text)) {
    const bool blank = static_cast<unsigned char>(c) <= ' ' || c == '\x7f';
    if (!blank) out += c;
    if (blank && !out.empty() && out.back() != ' ') out += ' ';
  }
  return out;
}

Line clean(std::string_view text) {
  Line line;
  text = trim(text);
  for (bool more = true; std::exchange(more, false);) {
    text = trim(text);
    if (line.mark != Mark::kNumber && (skip_label(text) || skip_number(text))) {
      line.mark = Mark::kNumber;
      more = true;
      continue;
    }
    const std::size_t hashes = text.find_first_not_of('#');  // a heading
    if (hashes != std::string_view::npos && hashes > 0 && is_blank(text[hashes])) {
      text.remove_prefix(hashes);
      more = true;
    }
    for (const std::string_view bullet : {"- ", "* ", "+ ", "> ", "• ", "– ", "— ", "・", "●", "•"})
      if (skip(text, bullet)) {
        if (line.mark == Mark::kNone) line.mark = Mark::kBullet;
        more = true;
      }
    // Emphasis around the mark alone, "**1.** What": its end is left where the mark was.
    std::string_view inside = text;
    if (line.mark != Mark::kNumber && (skip(inside, "**") || skip(inside, "__"))) {
      const std::size_t end = inside.find(text.substr(0, 2));
      std::string_view mark = inside.substr(0, end);
      if (end != std::string_view::npos && (skip_label(mark) || skip_number(mark))) {
        line.mark = Mark::kNumber;
        if (trim(mark).empty()) {
          text = inside.substr(end + 2);
          skip(text, ":");
        } else {  // "**1. What?**", perhaps with something behind
          text = mark;
        }
        more = true;
      }
    }
    if (line.mark != Mark::kNone && (text == "**" || text == "__")) text = {};
    if (line.mark == Mark::kNumber && text.starts_with("** ")) text.remove_prefix(2);
  }
  line.text = in_one_line(without_quotes(trim(text)));
  return line;
}

bool is_rule(std::string_view line) {
  return line.size() >= 3 && line.find_first_not_of("-*_= ") == std::string_view::npos;
}

std::vector<std::string> from_lines(std::string_view answer) {
  std::vector<Line> lines;
  Mark heading = Mark::kNone;  // "Question 1:" on a line of its own marks the next one
  while (!answer.empty()) {
    const std::size_t end = answer.find('\n');
    const std::string_view raw = trim(answer.substr(0, end));
    answer.remove_prefix(end == std::string_view::npos ? answer.size() : end + 1);
    if (raw.empty() || raw.starts_with("```") || is_rule(raw)) continue;
    Line line = clean(raw);
    if (line.text.empty()) {
      heading = line.mark;
      continue;
    }
    if (line.mark == Mark::kNone) line.mark = heading;
    heading = Mark::kNone;
    if (is_answer(line.text) || ends_in_any(line.text, {":", "：", ":**", ":*"})) continue;
    lines.push_back(std::move(line));
  }
  Mark strongest = Mark::kNone;
  for (const Line& line : lines) strongest = std::max(strongest, line.mark);
  const bool some_ask =
      std::any_of(lines.begin(), lines.end(), [](const Line& line) { return asks(line.text); });
  std::vector<std::string> out;
  for (Line& line : lines)
    if (strongest != Mark::kNone ? line.mark == strongest : !some_ask || asks(line.text))
      out.push_back(std::move(line.text));
  return out;
}

std::optional<Json> json_of(std::string_view text) {
  try {
    return parse_json(text, "answer");
  } catch (const Error&) {
    return std::nullopt;
  }
}

// The text of one element: a string, or an object that holds it.
void add_text(const Json& value, std::vector<std::string>& out) {
  if (value.is_string()) out.push_back(clean(value.get_ref<const std::string&>()).text);
  if (!value.is_object()) return;
  for (const char* const key : {"question", "query", "text"})
    if (const auto found = value.find(key); found != value.end() && found->is_string())
      return add_text(*found, out);
}

std::vector<std::string> from_json(const Json& value) {
  std::vector<std::string> out;
  const auto add_all = [&](const Json& list) {
    for (const Json& element : list) add_text(element, out);
  };
  if (value.is_array()) {
    add_all(value);
  } else if (value.is_object()) {
    for (const auto& member : value.items())
      if (member.value().is_array() && out.empty()) add_all(member.value());
    if (out.empty()) add_text(value, out);
    if (out.empty()) add_all(value);  // {"question_1": "...", "question_2": "..."}
  }
  return out;
}

// What is left of JSON that is not whole: every string that is, without keys.
std::vector<std::string> from_broken_json(std::string_view text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; (at = text.find('"', at)) != std::string_view::npos;) {
    std::size_t end = at + 1;
    while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
    if (end >= text.size()) break;
    const std::size_t next = text.find_first_not_of(" \t\r\n", end + 1);
    const bool is_key = next != std::string_view::npos && text[next] == ':';
    if (const auto value = json_of(text.substr(at, end + 1 - at)); value && !is_key)
      add_text(*value, out);
    at = end + 1;
  }
  return out;
}

// The first code fence's inside, if there is one.
std::string_view inside_fence(std::string_view text) {
  const std::size_t begin = text.find("```");
  if (begin == std::string_view::npos) return text;
  const std::size_t first_line = text.find('\n', begin);
  if (first_line == std::string_view::npos) return text;
  return trim(text.substr(first_line, text.find("```", first_line) - first_line));
}

// From the first bracket that opens a line on to the last that closes.
std::string_view bracketed(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = text.find_first_not_of(" \t\r", at);
    if (begin == std::string_view::npos) break;
    if (text[begin] == '{' || text[begin] == '[') {
      const std::size_t end = text.find_last_of("}]");
      if (end == std::string_view::npos || end < begin) return text.substr(begin);
      return text.substr(begin, end + 1 - begin);
    }
    const std::size_t line = text.find('\n', begin);
    if (line == std::string_view::npos) break;
    at = line + 1;
  }
  return {};
}

}  // namespace

std::vector<std::string> parse_questions(std::string_view answer, bool cut_off) {
  const std::string said = without_reasoning(answer);
  std::string_view text = trim(said);
  const std::string_view fenced = inside_fence(text);
  std::vector<std::string> found;
  const std::string_view json = bracketed(fenced);
  if (const auto value = json.empty() ? std::nullopt : json_of(json)) {
    found = from_json(*value);
  } else if (json.starts_with("{") || json.starts_with("[\"") || json.starts_with("[\n")) {
    found = from_broken_json(bracketed(text).empty() ? text : fenced);
  } else {
    if (cut_off && !ends_in_any(text, {"?", "？"}))
      text = text.substr(0, text.rfind('\n') + 1);  // npos + 1 is 0
    found = from_lines(text);
  }
  std::vector<std::string> out;
  std::unordered_set<std::string> seen;
  for (std::string& question : found)
    if (has_word(question) && seen.insert(question).second) out.push_back(std::move(question));
  return out;
}

}  // namespace attune
