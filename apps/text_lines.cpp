#include "apps/text_lines.h"

#include <algorithm>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"

namespace attune {
namespace {

std::string parse_string(std::string_view line, const std::string& place) {
  const Json value = parse_json(line, place);
  if (!value.is_string())
    throw_error(ErrorKind::kData, place, ": expected a JSON string, found ", value.type_name());
  return value.get<std::string>();
}

}  // namespace

std::vector<std::string> read_texts(const std::string& path) {
  std::string bytes = read_text_file(path);
  if (const std::size_t bad = find_invalid_utf8(bytes); bad != std::string::npos)
    throw_error(ErrorKind::kData, path, ":",
                1 + std::count(bytes.begin(), bytes.begin() + bad, '\n'), ": not UTF-8 at byte ",
                bad, " of the file; convert it, for example with iconv");
  std::string_view rest = bytes;
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  const bool is_jsonl = path.ends_with(".jsonl");
  std::vector<std::string> texts;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    texts.push_back(is_jsonl ? parse_string(line, str_cat(path, ":", texts.size() + 1))
                             : std::string(line));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return texts;
}

std::vector<std::string_view> views_of(const std::vector<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

}  // namespace attune
