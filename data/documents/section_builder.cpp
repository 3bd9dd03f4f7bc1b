#include "data/documents/section_builder.h"

#include <utility>

namespace attune {

bool is_white_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

void CollapsedText::append(std::string_view piece, bool keep_lines) {
  for (std::size_t i = 0; i < piece.size(); ++i) {
    const bool no_break_space = piece.substr(i, 2) == "\xC2\xA0";
    if (keep_lines && piece[i] == '\n') {
      add_line_break();
    } else if (is_white_space(piece[i]) || no_break_space) {
      add_space();
      i += no_break_space;
    } else {
      if (gap_ != '\0' && !text_.empty()) text_ += gap_;
      gap_ = '\0';
      text_ += piece[i];
    }
  }
}

void SectionBuilder::begin_section(int level, const std::string& heading, std::string anchor) {
  end_sections(level);
  Growing section;
  if (!open_.empty()) section.section.path = sections_[open_.back().section].section.path;
  if (!heading.empty()) section.section.path.push_back(heading);
  section.section.anchor = std::move(anchor);
  open_.push_back({level, sections_.size()});
  sections_.push_back(std::move(section));
}

void SectionBuilder::end_sections(int level) {
  const std::size_t kept = blocks_.empty() ? 0 : blocks_.back();
  while (open_.size() > kept && open_.back().level >= level) open_.pop_back();
}

void SectionBuilder::leave_block() {
  open_.resize(blocks_.back());
  blocks_.pop_back();
}

std::vector<Section> SectionBuilder::take_sections() {
  std::vector<Section> result;
  for (Growing& section : sections_) {
    section.section.text = section.text.text();
    if (!section.section.path.empty() || !section.section.text.empty())
      result.push_back(std::move(section.section));
  }
  return result;
}

}  // namespace attune
