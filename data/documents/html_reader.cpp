#include "data/documents/html_reader.h"

#include <gumbo.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>

#include "core/error.h"
#include "core/file.h"

namespace attune {
namespace {

constexpr std::int64_t kMostOpenElements = 10000;
constexpr std::size_t kCharsetBytes = 1024;  // that browsers look for a declaration in

template <std::size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Refuses what would nest too deep: counts start tags less end tags, without elements that are
// empty or that the parser closes by itself, and without <path/> and the like in drawings. Inexact
// (it looks into scripts and comments), but far from any real page.
void check_nesting(std::string_view bytes, const std::string& place) {
  static constexpr std::array<std::string_view, 24> kNotNested = {
      "area",  "base",  "br",   "col",   "dd",  "dt", "hr",     "img",
      "input", "li",    "link", "meta",  "p",   "td", "tbody",  "th",
      "thead", "tfoot", "tr",   "param", "wbr", "rt", "option", "embed"};
  static constexpr std::array<std::string_view, 17> kDrawing = {
      "svg", "g",    "path",  "rect", "circle", "line",  "polygon", "polyline", "ellipse",
      "use", "text", "tspan", "defs", "marker", "image", "stop",    "a"};
  std::int64_t open = 0;
  bool in_drawing = false;  // any other element ends it, as the parser leaves <svg> for HTML
  for (std::size_t at = bytes.find('<'); at != std::string_view::npos;
       at = bytes.find('<', at + 1)) {
    const bool closes = at + 1 < bytes.size() && bytes[at + 1] == '/';
    std::size_t end = at + 1 + closes;
    std::string name;
    while (end < bytes.size() && std::isalnum(static_cast<unsigned char>(bytes[end])) &&
           name.size() < 16)
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(bytes[end++])));
    if (name.empty()) continue;
    in_drawing =
        (in_drawing || name == "svg") && is_one_of(name, kDrawing) && !(closes && name == "svg");
    if (in_drawing && !closes) {
      const std::size_t tag_end = bytes.find('>', end);
      if (tag_end != std::string_view::npos && bytes[tag_end - 1] == '/') continue;
    }
    if (is_one_of(name, kNotNested)) continue;
    open = closes ? std::max<std::int64_t>(open - 1, 0) : open + 1;
    if (open > kMostOpenElements)
      throw_error(ErrorKind::kData, place, ": more than ", kMostOpenElements,
                  " HTML elements are open at byte ", at, "; repair the page or exclude it");
  }
}

std::string_view attribute(const GumboNode& node, const char* name) {
  const GumboAttribute* found = gumbo_get_attribute(&node.v.element.attributes, name);
  return found == nullptr ? std::string_view() : std::string_view(found->value);
}

template <std::size_t N>
bool has_class(const GumboNode& node, const std::array<std::string_view, N>& names) {
  const std::string_view classes = attribute(node, "class");
  for (std::size_t begin = 0; begin < classes.size();) {
    std::size_t end = begin;
    while (end < classes.size() && !is_white_space(classes[end])) ++end;
    if (is_one_of(classes.substr(begin, end - begin), names)) return true;
    begin = end + 1;
  }
  return false;
}

bool is_element(const GumboNode& node) {
  return node.type == GUMBO_NODE_ELEMENT || node.type == GUMBO_NODE_TEMPLATE;
}

int heading_level(const GumboNode& node) {
  return node.v.element.tag >= GUMBO_TAG_H1 && node.v.element.tag <= GUMBO_TAG_H6
             ? node.v.element.tag - GUMBO_TAG_H1 + 1
             : 0;
}

// Visits `root` and everything below it without recursion. enter(node) says whether to go into it;
// leave(node) follows for those.
template <class Enter, class Leave>
void walk(const GumboNode& root, Enter&& enter, Leave&& leave) {
  struct Open {
    const GumboNode* node;
    unsigned next_child;
  };
  std::vector<Open> open;
  const auto visit = [&](const GumboNode& node) {
    if (enter(node) && is_element(node)) open.push_back({&node, 0});
  };
  visit(root);
  while (!open.empty()) {
    Open& top = open.back();
    const GumboVector& children = top.node->v.element.children;
    if (top.next_child < children.length) {
      visit(*static_cast<const GumboNode*>(children.data[top.next_child++]));
    } else {
      const GumboNode& done = *top.node;
      open.pop_back();
      leave(done);
    }
  }
}

template <class Predicate>
const GumboNode* find_element(const GumboNode& root, Predicate&& predicate) {
  const GumboNode* found = nullptr;
  walk(
      root,
      [&](const GumboNode& node) {
        if (found == nullptr && is_element(node) && predicate(node)) found = &node;
        return found == nullptr;
      },
      [](const GumboNode&) {});
  return found;
}

const GumboNode& find_main_part(const GumboNode& root) {
  const GumboNode* found = find_element(root, [](const GumboNode& node) {
    return node.v.element.tag == GUMBO_TAG_MAIN || attribute(node, "role") == "main";
  });
  if (found == nullptr)
    found = find_element(root, [](const GumboNode& node) {
      return node.v.element.tag == GUMBO_TAG_DIV &&
             has_class(node, std::array<std::string_view, 1>{"body"});
    });
  if (found == nullptr)
    found = find_element(
        root, [](const GumboNode& node) { return node.v.element.tag == GUMBO_TAG_BODY; });
  return found == nullptr ? root : *found;
}

bool is_left_out(const GumboNode& node) {
  static constexpr std::array<std::string_view, 5> kRoles = {"navigation", "search", "contentinfo",
                                                             "complementary", "doc-toc"};
  static constexpr std::array<std::string_view, 18> kClasses = {
      "headerlink", "sphinxsidebar", "related", "toc",    "toctree-wrapper", "contents",
      "navheader",  "navfooter",     "linenos", "lineno", "shortcontents",   "nav-panel",
      "nosearch",   "breadcrumbs",   "clearer", "footer", "breadcrumb",      "browse-button"};
  static constexpr std::array<std::string_view, 4> kIds = {"footer", "toc", "navigation",
                                                           "sidebar"};
  switch (node.v.element.tag) {
    case GUMBO_TAG_NAV:
    case GUMBO_TAG_SCRIPT:
    case GUMBO_TAG_STYLE:
    case GUMBO_TAG_NOSCRIPT:
    case GUMBO_TAG_TEMPLATE:
    case GUMBO_TAG_FOOTER:
    case GUMBO_TAG_FORM:
    case GUMBO_TAG_BUTTON:
    case GUMBO_TAG_IFRAME:
    case GUMBO_TAG_OBJECT:
    case GUMBO_TAG_SVG:
    case GUMBO_TAG_HEAD:
      return true;
    default:
      break;
  }
  if (is_one_of(attribute(node, "role"), kRoles) || is_one_of(attribute(node, "id"), kIds) ||
      has_class(node, kClasses))
    return true;
  const bool is_header = node.v.element.tag == GUMBO_TAG_HEADER ||
                         has_class(node, std::array<std::string_view, 1>{"header"});
  return is_header && find_element(node, [](const GumboNode& inner) {
                        return heading_level(inner) > 0;
                      }) == nullptr;
}

enum class Boundary { kNone, kSpace, kLine };

Boundary boundary_of(const GumboNode& node) {
  switch (node.v.element.tag) {
    case GUMBO_TAG_TD:
    case GUMBO_TAG_TH:
      return Boundary::kSpace;
    case GUMBO_TAG_ADDRESS:
    case GUMBO_TAG_ARTICLE:
    case GUMBO_TAG_ASIDE:
    case GUMBO_TAG_BLOCKQUOTE:
    case GUMBO_TAG_BR:
    case GUMBO_TAG_CAPTION:
    case GUMBO_TAG_DD:
    case GUMBO_TAG_DETAILS:
    case GUMBO_TAG_DIV:
    case GUMBO_TAG_DL:
    case GUMBO_TAG_DT:
    case GUMBO_TAG_FIGURE:
    case GUMBO_TAG_HR:
    case GUMBO_TAG_LI:
    case GUMBO_TAG_MAIN:
    case GUMBO_TAG_OL:
    case GUMBO_TAG_P:
    case GUMBO_TAG_PRE:
    case GUMBO_TAG_SECTION:
    case GUMBO_TAG_SUMMARY:
    case GUMBO_TAG_TABLE:
    case GUMBO_TAG_TR:
    case GUMBO_TAG_UL:
      return Boundary::kLine;
    default:
      return Boundary::kNone;
  }
}

bool is_text(const GumboNode& node) {
  return node.type == GUMBO_NODE_TEXT || node.type == GUMBO_NODE_WHITESPACE ||
         node.type == GUMBO_NODE_CDATA;
}

// All text below `node` on one line: a heading or a title.
std::string one_line(const GumboNode& node) {
  CollapsedText line;
  walk(
      node,
      [&](const GumboNode& inner) {
        if (is_text(inner)) line.append(inner.v.text.text, false);
        if (!is_element(inner)) return false;
        if (&inner != &node && is_left_out(inner)) return false;
        if (boundary_of(inner) != Boundary::kNone) line.add_space();
        return true;
      },
      [&](const GumboNode& inner) {
        if (boundary_of(inner) != Boundary::kNone) line.add_space();
      });
  std::string text = line.text();
  constexpr std::string_view kPilcrow = "\xC2\xB6";  // a link to the heading itself
  if (text.ends_with(kPilcrow)) text.resize(text.size() - kPilcrow.size());
  while (!text.empty() && is_white_space(text.back())) text.pop_back();
  return text;
}

// The id of the heading, of an anchor in it, or of the section element that it opens.
std::string anchor_of(const GumboNode& heading) {
  const GumboNode* named = find_element(heading, [](const GumboNode& node) {
    return !attribute(node, "id").empty() ||
           (node.v.element.tag == GUMBO_TAG_A && !attribute(node, "name").empty());
  });
  if (named != nullptr) {
    const std::string_view id = attribute(*named, "id");
    return std::string(id.empty() ? attribute(*named, "name") : id);
  }
  const GumboNode* parent = heading.parent;
  const bool opens_section =
      parent != nullptr && is_element(*parent) &&
      (parent->v.element.tag == GUMBO_TAG_SECTION || parent->v.element.tag == GUMBO_TAG_DIV);
  return opens_section ? std::string(attribute(*parent, "id")) : std::string();
}

class SectionReader {
 public:
  SectionReader(const GumboNode& main_part, SectionBuilder& sections) : sections_(sections) {
    walk(
        main_part, [this](const GumboNode& node) { return enter(node); },
        [this](const GumboNode& node) { leave(node); });
  }

 private:
  static constexpr int kQuestionLevel = 7;  // below h6; deeper by one with each <dl> around

  void add_boundary(const GumboNode& node) {
    const Boundary boundary = boundary_of(node);
    if (boundary == Boundary::kLine) sections_.text().add_line_break();
    if (boundary == Boundary::kSpace) sections_.text().add_space();
  }

  bool enter(const GumboNode& node) {
    if (is_text(node)) sections_.text().append(node.v.text.text, preformatted_ > 0);
    if (!is_element(node) || is_left_out(node)) return false;
    if (node.v.element.tag == GUMBO_TAG_DL) ++lists_;
    if (node.v.element.tag == GUMBO_TAG_PRE) ++preformatted_;
    const bool is_term = node.v.element.tag == GUMBO_TAG_DT;
    const int level = is_term ? kQuestionLevel + lists_ : heading_level(node);
    if (level > 0 && text_instead_ == nullptr) {
      const std::string heading = one_line(node);
      if (is_term ? heading.ends_with('?') : !heading.empty()) {
        sections_.begin_section(level, heading, anchor_of(node));
        return false;
      }
      text_instead_ = &node;
    }
    add_boundary(node);
    return true;
  }

  void leave(const GumboNode& node) {
    if (node.v.element.tag == GUMBO_TAG_PRE) --preformatted_;
    if (node.v.element.tag == GUMBO_TAG_DL) {
      sections_.end_sections(kQuestionLevel + lists_);
      --lists_;
    }
    if (text_instead_ == &node) text_instead_ = nullptr;
    add_boundary(node);
  }

  SectionBuilder& sections_;
  int lists_ = 0, preformatted_ = 0;
  // A term that asks nothing, or a heading without words: what nests in it is not read line by
  // line again, which would be quadratic.
  const GumboNode* text_instead_ = nullptr;
};

// gumbo's tree of some HTML.
class Page {
 public:
  explicit Page(std::string_view html) {
    options_.max_errors = 0;
    output_ = gumbo_parse_with_options(&options_, html.data(), html.size());
  }
  ~Page() { gumbo_destroy_output(&options_, output_); }
  Page(const Page&) = delete;
  Page& operator=(const Page&) = delete;
  const GumboNode& root() const { return *output_->root; }

 private:
  GumboOptions options_ = kGumboDefaultOptions;
  GumboOutput* output_;
};

// The value of charset in "text/html; charset=x", without quotes.
std::string charset_parameter(std::string_view content) {
  std::string lower(content);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::size_t at = lower.find("charset");
  if (at == std::string::npos) return {};
  at = lower.find_first_not_of(" \t\n\f\r", at + 7);
  if (at == std::string::npos || lower[at] != '=') return {};
  at = lower.find_first_not_of(" \t\n\f\r\"'", at + 1);
  if (at == std::string::npos) return {};
  return lower.substr(at, lower.find_first_of(" \t\n\f\r\"';", at) - at);
}

}  // namespace

std::string declared_charset(std::string_view bytes) {
  const Page page(bytes.substr(0, kCharsetBytes));
  std::string charset;
  find_element(page.root(), [&](const GumboNode& node) {
    if (node.v.element.tag != GUMBO_TAG_META) return false;
    charset = attribute(node, "charset");
    if (charset.empty() && !attribute(node, "http-equiv").empty())
      charset = charset_parameter(attribute(node, "content"));
    return !charset.empty();
  });
  return charset;
}

void add_html(std::string_view html, const std::string& place, SectionBuilder& sections) {
  check_nesting(html, place);
  SectionReader(Page(html).root(), sections);
}

DocumentContent parse_html(std::string_view bytes, const std::string& place) {
  const std::size_t bad = find_invalid_utf8(bytes);
  if (bad != std::string::npos)
    throw_error(ErrorKind::kData, place, ": byte ", bad,
                " is not UTF-8; convert the page (iconv -f ISO-8859-1 -t UTF-8) or exclude it");
  check_nesting(bytes, place);
  const Page page(bytes);
  DocumentContent document;
  const GumboNode* title = find_element(
      page.root(), [](const GumboNode& node) { return node.v.element.tag == GUMBO_TAG_TITLE; });
  if (title != nullptr) document.title = one_line(*title);
  SectionBuilder sections;
  SectionReader(find_main_part(page.root()), sections);
  document.sections = sections.take_sections();
  return document;
}

}  // namespace attune
