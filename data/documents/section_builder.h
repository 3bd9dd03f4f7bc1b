// Sections that grow while a document is walked from its beginning to its end: what the readers of
// HTML and of Markdown share.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "data/documents/document.h"

namespace attune {

bool is_white_space(char c);  // of HTML: space, tab, line feed, form feed, carriage return

// Text that grows piece by piece, its white space (no-break spaces too) collapsed to one space.
class CollapsedText {
 public:
  // A gap is at least this before the next character; nothing at the beginning and the end.
  void add_space() {
    if (gap_ == '\0') gap_ = ' ';
  }
  void add_line_break() { gap_ = '\n'; }
  void append(std::string_view piece, bool keep_lines);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  char gap_ = '\0';
};

class SectionBuilder {
 public:
  SectionBuilder() { begin_section(0, ""); }

  // Of the section that is open.
  CollapsedText& text() { return sections_[open_.back().section].text; }

  // Ends the sections of this level (from 1) and below, and begins one in what is then open.
  void begin_section(int level, const std::string& heading, std::string anchor = {});
  void end_sections(int level);  // of this level and below

  // A block whose headings are its own: those begun in it end with it, none around it ends in it.
  void enter_block() { blocks_.push_back(open_.size()); }
  void leave_block();

  // Those that have a path or a text.
  std::vector<Section> take_sections();

 private:
  struct Growing {
    Section section;
    CollapsedText text;
  };
  struct Open {
    int level;
    std::size_t section;
  };
  std::vector<Growing> sections_;
  std::vector<Open> open_;  // the document's beginning (level 0) and the headings around this place
  std::vector<std::size_t> blocks_;  // how many were open when each was entered
};

}  // namespace attune
