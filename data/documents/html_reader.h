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
#include "data/documents/section_builder.h"

namespace attune {

// Refused with ErrorKind::kData and `place`: bytes that are not UTF-8, and more than 10,000
// elements open at once (hostile: gumbo takes quadratic time and recurses that deep).
DocumentContent parse_html(std::string_view bytes, const std::string& place);

// A piece of HTML in a document of another kind: all of its text goes to the open section, and its
// headings begin sections. Refused: as parse_html, but for UTF-8, which the caller has checked.
void add_html(std::string_view html, const std::string& place, SectionBuilder& sections);

// What <meta charset="x"> or <meta http-equiv="Content-Type" content="text/html; charset=x"> in the
// page's first 1,024 bytes says; empty if none does.
std::string declared_charset(std::string_view bytes);

}  // namespace attune
