// Markdown (CommonMark with GitHub's tables, read by cmark-gfm) as titled sections of plain text,
// as data/documents/html_reader.h makes them of HTML.
//
// Headings begin sections; one inside a quotation or a list ends with it. Inline markup becomes its
// text, images their alternative text. Blocks are separated by one line feed, code blocks keep
// their lines, cells of a table are separated by spaces. Pieces of HTML go through the HTML reader,
// inline tags are dropped. Footnotes stay as they are written ([^1]). Left out: lines that are one
// of mdbook's directives ({{#include listing.rs}}), and front matter (YAML between lines of --- at
// the file's beginning). The title is the front matter's `title`, else the first heading. Anchors
// are empty: Markdown itself has none.
#pragma once

#include <string>
#include <string_view>

#include "data/documents/document.h"

namespace attune {

// `text` is UTF-8 (data/documents/encoding.h) and at most kMaxMarkdownBytes long (cmark takes some
// 200 times as much memory for hostile ones). Refused with ErrorKind::kData and `place`: tables
// whose rows times columns are over two million (cmark fills short rows up), pieces of HTML that
// the HTML reader refuses.
DocumentContent parse_markdown(std::string_view text, const std::string& place);

constexpr std::size_t kMaxMarkdownBytes = std::size_t{4} << 20;

}  // namespace attune
