#include "data/documents/markdown_reader.h"

#include <cmark-gfm-core-extensions.h>
#include <cmark-gfm.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "core/error.h"
#include "data/documents/html_reader.h"
#include "data/documents/section_builder.h"

namespace attune {
namespace {

constexpr std::int64_t kMostCells = 2'000'000;

// Calls line(text without its end) for each.
template <class Line>
void for_each_line(std::string_view text, Line&& line) {
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    line(text.substr(begin, end - begin));
    begin = end + 1;
  }
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_white_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_white_space(text.back())) text.remove_suffix(1);
  return text;
}

// A line such as |---|:-:| makes the lines down to the next blank one a table of its columns; cmark
// makes a cell of every column of every one of them, whether it is there or not.
void check_tables(std::string_view text, const std::string& place) {
  std::int64_t columns = 0, cells = 0, number = 0;
  for_each_line(text, [&](std::string_view line) {
    ++number;
    if (line.find_first_not_of("> \t\r") == std::string_view::npos) columns = 0;
    if (line.find('-') != std::string_view::npos &&
        line.find_first_not_of("|:->+*0123456789.) \t\r\v\f") == std::string_view::npos)
      columns = std::max<std::int64_t>(columns, std::count(line.begin(), line.end(), '|') + 1);
    cells += columns;
    if (cells > kMostCells)
      throw_error(ErrorKind::kData, place, ":", number, ": tables of more than ", kMostCells,
                  " cells; split the file or exclude it");
  });
}

// Front matter ends at the next line of --- or ...; without one there is none. Returns its length.
std::size_t front_matter_size(std::string_view text) {
  std::size_t size = 0, number = 0, result = 0;
  for_each_line(text, [&](std::string_view line) {
    size += line.size() + 1;
    const std::string_view mark = trim(line);
    if (number++ == 0)
      result = mark == "---" && line[0] == '-' ? std::string_view::npos : 0;
    else if (result == std::string_view::npos && (mark == "---" || mark == "..."))
      result = std::min(size, text.size());
  });
  return result == std::string_view::npos ? 0 : result;
}

// The value of a line `title: ...` at the margin, without quotation marks around it.
std::string front_matter_title(std::string_view front_matter) {
  std::string title;
  for_each_line(front_matter, [&](std::string_view line) {
    constexpr std::string_view kKey = "title:";
    if (!title.empty() || !line.starts_with(kKey)) return;
    std::string_view value = trim(line.substr(kKey.size()));
    if (value.size() >= 2 && (value[0] == '"' || value[0] == '\'') && value.back() == value[0])
      value = value.substr(1, value.size() - 2);
    title = value;
  });
  return title;
}

std::string without_directives(std::string_view text) {
  std::string kept;
  for_each_line(text, [&](std::string_view line) {
    const std::string_view directive = trim(line);
    if (directive.starts_with("{{#") && directive.ends_with("}}")) return;
    kept.append(line) += '\n';
  });
  return kept;
}

struct Free {
  void operator()(cmark_parser* parser) const { cmark_parser_free(parser); }
  void operator()(cmark_node* node) const { cmark_node_free(node); }
  void operator()(cmark_iter* walk) const { cmark_iter_free(walk); }
};

// Of the extensions only tables: those with marks inside a line (~~x~~) change a table of
// characters that all parsers of the process share.
std::unique_ptr<cmark_node, Free> parse(std::string_view text) {
  static cmark_syntax_extension* const tables = [] {
    cmark_gfm_core_extensions_ensure_registered();
    return cmark_find_syntax_extension("table");
  }();
  ATTUNE_ASSERT(tables != nullptr);
  const std::unique_ptr<cmark_parser, Free> parser(cmark_parser_new(CMARK_OPT_DEFAULT));
  cmark_parser_attach_syntax_extension(parser.get(), tables);
  cmark_parser_feed(parser.get(), text.data(), text.size());
  return std::unique_ptr<cmark_node, Free>(cmark_parser_finish(parser.get()));
}

std::string_view literal(cmark_node* node) {
  const char* text = cmark_node_get_literal(node);
  return text == nullptr ? std::string_view() : std::string_view(text);
}

class MarkdownReader {
 public:
  MarkdownReader(cmark_node* root, const std::string& place) : place_(place) {
    const std::unique_ptr<cmark_iter, Free> walk(cmark_iter_new(root));
    for (cmark_event_type event; (event = cmark_iter_next(walk.get())) != CMARK_EVENT_DONE;)
      visit(cmark_iter_get_node(walk.get()), event == CMARK_EVENT_ENTER);
  }

  std::string first_heading;
  std::vector<Section> take_sections() { return sections_.take_sections(); }

 private:
  CollapsedText& text() { return in_heading_ ? heading_ : sections_.text(); }

  void visit(cmark_node* node, bool enters) {
    const cmark_node_type type = cmark_node_get_type(node);
    if (type == CMARK_NODE_TEXT || type == CMARK_NODE_CODE) {
      text().append(literal(node), false);
    } else if (type == CMARK_NODE_SOFTBREAK || type == CMARK_NODE_LINEBREAK) {
      if (type == CMARK_NODE_LINEBREAK && !in_heading_)
        text().add_line_break();
      else
        text().add_space();
    } else if (type == CMARK_NODE_HTML_INLINE) {
      if (literal(node).starts_with("<br")) text().add_space();
    } else if (type == CMARK_NODE_HEADING) {
      visit_heading(node, enters);
    } else if (std::string_view(cmark_node_get_type_string(node)) == "table_cell") {
      text().add_space();
    } else if ((type & CMARK_NODE_TYPE_MASK) == CMARK_NODE_TYPE_BLOCK) {
      visit_block(node, type, enters);
    }
  }

  void visit_heading(cmark_node* node, bool enters) {
    in_heading_ = enters;
    if (enters) {
      heading_ = {};
      return;
    }
    sections_.text().add_line_break();  // as one without text is none
    if (heading_.text().empty()) return;
    if (first_heading.empty()) first_heading = heading_.text();
    sections_.begin_section(cmark_node_get_heading_level(node), heading_.text());
  }

  void visit_block(cmark_node* node, cmark_node_type type, bool enters) {
    const bool is_closed = type == CMARK_NODE_BLOCK_QUOTE || type == CMARK_NODE_ITEM;
    if (is_closed && !enters) sections_.leave_block();
    sections_.text().add_line_break();
    if (is_closed && enters) sections_.enter_block();
    if (type == CMARK_NODE_CODE_BLOCK) {
      sections_.text().append(literal(node), true);
      sections_.text().add_line_break();
    } else if (type == CMARK_NODE_HTML_BLOCK) {
      add_html(literal(node), place_, sections_);
      sections_.text().add_line_break();
    }
  }

  const std::string& place_;
  SectionBuilder sections_;
  CollapsedText heading_;
  bool in_heading_ = false;
};

}  // namespace

DocumentContent parse_markdown(std::string_view text, const std::string& place) {
  const std::size_t front_matter = front_matter_size(text);
  const std::string body = without_directives(text.substr(front_matter));
  check_tables(body, place);
  const std::unique_ptr<cmark_node, Free> root = parse(body);
  MarkdownReader reader(root.get(), place);
  DocumentContent document;
  document.title = front_matter_title(text.substr(0, front_matter));
  if (document.title.empty()) document.title = std::move(reader.first_heading);
  document.sections = reader.take_sections();
  return document;
}

}  // namespace attune
