#include "pipeline/report/html.h"

#include <algorithm>

#include "core/error.h"
#include "core/file.h"
#include "pipeline/report/numbers.h"

namespace attune {
namespace {

constexpr const char* kReplacement = "\uFFFD";

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

void append_escaped(std::string& out, std::string_view valid) {
  for (const char c : valid) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (c == '\'')
      out += "&#39;";
    else if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f)
      out += kReplacement;
    else
      out += c;
  }
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    const std::size_t bad = find_invalid_utf8(text);
    append_escaped(out, text.substr(0, bad));
    if (bad == std::string_view::npos) break;
    out += kReplacement;
    text.remove_prefix(bad + 1);
  }
  return out;
}

std::string escape_cut(std::string_view text, std::size_t max_characters) {
  std::size_t characters = 0, end = text.size();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (continues(text[i])) continue;
    if (characters++ == max_characters) end = i;
  }
  // Bytes that continue nothing could be many more than characters.
  end = std::min(end, 4 * max_characters);
  std::string out = escape_html(text.substr(0, end));
  if (end < text.size())
    out += str_cat("<span class=\"cut\">… cut, ",
                   counted(static_cast<std::int64_t>(characters), "character"), "</span>");
  return out;
}

std::string html_table(const std::vector<std::vector<std::string>>& rows,
                       std::size_t text_columns) {
  std::string out = "<div class=\"scroll\"><table>";
  for (std::size_t row = 0; row < rows.size(); ++row) {
    out += row == 0 ? "<thead><tr>" : "<tr>";
    for (std::size_t column = 0; column < rows[row].size(); ++column) {
      const char* tag = row == 0 ? "th" : "td";
      out += str_cat("<", tag, column < text_columns ? "" : " class=\"number\"", ">",
                     rows[row][column], "</", tag, ">");
    }
    out += row == 0 ? "</tr></thead><tbody>" : "</tr>";
  }
  return out + "</tbody></table></div>\n";
}

}  // namespace attune
