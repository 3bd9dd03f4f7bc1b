// The texts of `--input FILE`: a UTF-8 text file, one text a line (LF or CRLF, the last line with
// or without its end), or, where the name ends in .jsonl, one JSON string a line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace attune {

// An empty line is an empty text. Error{kData} with file:line: not UTF-8, or no JSON string.
std::vector<std::string> read_texts(const std::string& path);

std::vector<std::string_view> views_of(const std::vector<std::string>& texts);

}  // namespace attune
