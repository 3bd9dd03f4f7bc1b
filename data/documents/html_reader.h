// One HTML page as titled sections of plain text, read with gumbo as a browser would read it, so
// that malformed markup is no error.
//
// What is read: the page's main part, which is <main> or role="main", else class "body" (Sphinx),
// else the whole <body>. Left out: navigation, scripts, styles, footers, headers without a heading,
// tables of contents, line numbers and the links that Sphinx sets behind headings, known by tag,
// role, class or id. White space is collapsed to one space, blocks are separated by one line feed,
// <pre> keeps its lines.
//
// Sections: h1 to h6 begin one. So does a <dt> that ends in '?', below the headings around it,
// until its <dl> ends: FAQs are often written so. A section's text is what stands below its
// heading, without the heading and without sub-sections.
#pragma once

#include <string>
#include <string_view>

#include "data/documents/document.h"

namespace attune {

// Refused with ErrorKind::kData and `place`: bytes that are not UTF-8, and more than 10,000
// elements open at once (hostile: gumbo takes quadratic time and recurses that deep).
DocumentContent parse_html(std::string_view bytes, const std::string& place);

}  // namespace attune
