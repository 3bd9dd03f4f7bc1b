// Plain text as one section without headings. A paragraph is what stands between blank lines;
// paragraphs become blocks, separated by one line feed. White space is collapsed and control
// characters count as white space.
//
// Inside a paragraph a line's end is a space where the line is as full as a wrapped one, else it
// stays: a line is full if the next line's first word would have made it longer than 3/4 of the
// paragraph's longest (3/4, because lines wrapped by width differ in characters), and if that word
// is no mark of a list ("-", "1."). So wrapped prose becomes whole sentences, while headings, lists
// and verses keep their lines. Between two characters of Chinese or Japanese no space is put.
#pragma once

#include <string>
#include <string_view>

#include "data/documents/document.h"

namespace attune {

// `text` is UTF-8 (data/documents/encoding.h).
DocumentContent parse_text(std::string_view text);

// As above; where a line ends in a letter and a hyphen and the next begins with a small letter, the
// two are one word if `join_hyphens` (typeset text; a compound broken at its hyphen loses it).
std::string unwrap_paragraphs(std::string_view text, bool join_hyphens);

}  // namespace attune
