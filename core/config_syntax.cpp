#include "core/config_syntax.h"

#include <algorithm>

#include <yaml-cpp/exceptions.h>

#include "core/shortened.h"

namespace attune {
namespace {

constexpr const char* kBlanks = " \t\r";

struct Line {
  std::size_t begin = 0, first = 0;  // of the line, and of what is not blank in it
  std::string_view text;             // from `first`, without the blanks at its end
  bool is_empty() const { return text.empty() || text.front() == '#'; }
};

Line line_at(std::string_view text, std::size_t offset) {
  Line line;
  line.begin = offset == 0 ? 0 : text.rfind('\n', offset - 1) + 1;  // npos + 1 is 0
  std::string_view whole = text.substr(line.begin);
  whole = whole.substr(0, whole.find('\n'));
  const std::size_t blanks = std::min(whole.find_first_not_of(kBlanks), whole.size());
  line.first = line.begin + blanks;
  line.text = whole.substr(blanks);
  line.text = line.text.substr(0, line.text.find_last_not_of(kBlanks) + 1);
  return line;
}

// The nearest line above that says something.
std::optional<Line> line_above(std::string_view text, const Line& line) {
  for (std::size_t begin = line.begin; begin > 0;) {
    const Line above = line_at(text, begin - 1);
    if (!above.is_empty()) return above;
    begin = above.begin;
  }
  return std::nullopt;
}

std::optional<std::size_t> tab_in_indentation(std::string_view text, const Line& line) {
  const std::size_t tab = text.substr(0, line.first).find('\t', line.begin);
  return tab == std::string_view::npos ? std::nullopt : std::optional(tab);
}

// Of a line such as "epochs:2" or "epochs = 2".
std::optional<ConfigSyntaxMistake> missing_colon(const std::optional<Line>& line) {
  if (!line || line->text.starts_with("- ") || line->text.ends_with(':') ||
      line->text.find(": ") != std::string_view::npos)
    return std::nullopt;
  return ConfigSyntaxMistake{line->first,
                             "expected 'key: value', with a space behind the colon, found '" +
                                 shortened(std::string(line->text)) + "'"};
}

ConfigSyntaxMistake explain_colon(std::string_view text, std::size_t offset, const Line& here) {
  const bool is_second =
      text.substr(here.first, offset - std::min(offset, here.first)).find(": ") !=
      std::string_view::npos;
  if (is_second)
    return {offset, "a second ': ' in one line; a text that holds one stands in quotes"};
  const std::optional<Line> above = line_above(text, here);
  if (auto missing = missing_colon(above)) return *missing;
  if (above && here.first - here.begin > above->first - above->begin)
    return {here.first,
            "indented deeper than the line above, which has its value already; keys of one section "
            "begin in one column"};
  return {offset, YAML::ErrorMsg::MAP_VALUE};
}

}  // namespace

ConfigSyntaxMistake explain_yaml_error(std::string_view text, std::size_t offset,
                                       const std::string& said, std::optional<std::size_t> bracket,
                                       std::optional<std::size_t> quote) {
  namespace Said = YAML::ErrorMsg;
  offset = std::min(offset, text.size());
  const Line here = line_at(text, offset);
  if (said == Said::END_OF_SEQ_FLOW || said == Said::END_OF_MAP_FLOW)
    return {bracket.value_or(offset), "this bracket is not closed, or not where it should be"};
  if (said == Said::EOF_IN_SCALAR) return {offset, "a quote is not closed"};
  if (const auto tab = tab_in_indentation(text, here))
    return {*tab, "a tab in the indentation; YAML takes spaces alone"};
  if (said == Said::MAP_VALUE) return explain_colon(text, offset, here);
  if (said == Said::END_OF_MAP || said == Said::END_OF_SEQ) {
    if (offset > here.first && quote && *quote < here.begin)
      return {*quote, "this quote is closed in a later line, where a text begins"};
    if (offset > here.first)
      return {offset,
              "something behind a value that is complete; a text with quotes or brackets in it "
              "stands in quotes as a whole"};
    if (auto missing = missing_colon(here)) return *missing;
    if (auto missing = missing_colon(line_above(text, here))) return *missing;
    return {offset, "no line above has this indentation; keys of one section begin in one column"};
  }
  if (said == Said::FLOW_END) return {offset, "a bracket that closes none"};
  if (said == Said::UNKNOWN_TOKEN)
    return {offset, "no value begins with this character; a text that does stands in quotes"};
  return {offset, said};
}

bool is_quote_closed(std::string_view text, std::size_t begin) {
  const char quote = begin < text.size() ? text[begin] : '\0';
  if (quote != '\'' && quote != '"') return true;
  for (std::size_t at = begin + 1; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (text[at] == quote) {
      if (quote == '"' || text.substr(at + 1, 1) != "'") return true;
      ++at;  // '' is a quote inside
    }
  }
  return false;
}

}  // namespace attune
