// Text into HTML. Documents and questions are hostile: what they hold is shown and never obeyed.
// The page beside that forbids scripts and every fetch by its own policy (page_frame.h).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

// For element contents and quoted attributes. Control characters and bytes that are not UTF-8
// become U+FFFD; line feeds and tabs stay.
std::string escape_html(std::string_view text);

// The first `max_characters` code points, escaped, and where that is not all a mark with the whole
// length.
std::string escape_cut(std::string_view text, std::size_t max_characters);

// A table of cells that are HTML already; the first row is the heading. Columns after the first
// `text_columns` are numbers, flush right.
std::string html_table(const std::vector<std::vector<std::string>>& rows,
                       std::size_t text_columns = 1);

}  // namespace attune
