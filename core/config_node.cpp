#include "core/config_node.h"

#include <algorithm>
#include <optional>
#include <sstream>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "core/config_syntax.h"
#include "core/error.h"
#include "core/file.h"
#include "core/shortened.h"

namespace attune {
namespace {

constexpr std::size_t kMaxDepth = 32;
constexpr std::size_t kMaxNodes = 10'000;

using Node = std::shared_ptr<ConfigNode>;

[[noreturn]] void refuse(const ConfigPlace& place, const std::string& message) {
  throw_error(ErrorKind::kConfig, place.text(), ": ", message);
}

// Builds nodes from yaml-cpp's events, so that depth and size are checked before anything grows: an
// alias is copied here, after its size has been added to the count.
class Builder : public YAML::EventHandler {
 public:
  Builder(const std::string& text, const ConfigPlace& start, std::vector<ConfigMistake>& mistakes)
      : text_(text), start_(start), mistakes_(mistakes) {
    root->place = start;  // of a text that holds nothing
  }

  Node root = std::make_shared<ConfigNode>();

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) refuse(place(mark), "a second document; expected one in a file");
  }
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark&, const std::string&) override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(make(ConfigNode::Kind::kNull, mark, "", anchor), mark);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const Node node = make(ConfigNode::Kind::kScalar, mark, tag, anchor);
    // yaml-cpp 0.7 makes single bytes of the escapes \N and \_.
    if (find_invalid_utf8(value) != std::string::npos)
      refuse(place(mark), "an escape that does not give UTF-8; write the character itself");
    if (tag == "!") quote_ = content_begin(mark);
    if (tag == "!" && !is_quote_closed(text_, *quote_))
      refuse(place(mark), "not valid YAML: this quote is not closed");
    node->text = value;
    node->is_quoted = tag == "!";
    add(node, mark);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end() || is_open(found->second))
      refuse(place(mark), "an alias to something that contains it");
    count(mark, found->second->size());
    if (open_.size() + found->second->depth() > kMaxDepth) refuse_depth(mark);
    add(found->second->clone(), mark);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    open(make(ConfigNode::Kind::kList, mark, tag, anchor), mark, style);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    open(make(ConfigNode::Kind::kMapping, mark, tag, anchor), mark, style);
  }
  void OnMapEnd() override { close(); }

  ConfigSyntaxMistake explain(const YAML::Exception& error) const {
    std::optional<std::size_t> bracket;
    for (const Open& one : open_)
      if (one.bracket) bracket = one.bracket;
    return explain_yaml_error(text_, offset(error.mark), error.msg, bracket, quote_);
  }

  // yaml-cpp counts bytes from 0; an editor counts characters from 1. Goes on from the place asked
  // for last where that is on the same line, so that a long line is not counted again and again.
  ConfigPlace place(const YAML::Mark& mark) {
    ConfigPlace out = start_;
    if (start_.line == 0) return out;
    const std::size_t end = offset(mark);
    const std::size_t begin = end - std::min(end, natural(mark.column));
    if (begin != line_begin_ || end < counted_to_) {
      line_begin_ = counted_to_ = begin;
      column_ = 1;
    }
    for (; counted_to_ < end; ++counted_to_)
      if ((text_[counted_to_] & 0xc0) != 0x80) ++column_;
    out.line = natural(mark.line) + 1;
    out.column = column_;
    return out;
  }

 private:
  struct Open {
    Node node;
    std::optional<std::size_t> bracket;  // where it opens
    bool has_key = false;                // of a mapping: the next node is a value
    bool drops_value = false;
    std::string key;
    ConfigPlace key_place;
    std::unordered_set<std::string> keys;
  };

  static std::size_t natural(int value) { return static_cast<std::size_t>(std::max(value, 0)); }

  std::size_t offset(const YAML::Mark& mark) const {
    return std::min(text_.size(), natural(mark.pos));
  }

  // Behind an anchor or a tag, at which yaml-cpp's place is.
  std::size_t content_begin(const YAML::Mark& mark) const {
    std::size_t at = offset(mark);
    while (at < text_.size() && (text_[at] == '&' || text_[at] == '!'))
      at = text_.find_first_not_of(" \t\r\n",
                                   std::min(text_.find_first_of(" \t\r\n", at), text_.size()));
    return at;
  }

  bool is_open(const Node& node) const {
    return std::any_of(open_.begin(), open_.end(), [&](const Open& o) { return o.node == node; });
  }

  [[noreturn]] void refuse_depth(const YAML::Mark& mark) {
    refuse(place(mark), str_cat("nested deeper than ", kMaxDepth));
  }

  void count(const YAML::Mark& mark, std::size_t more) {
    nodes_ += more;
    if (nodes_ > kMaxNodes)
      refuse(place(mark), str_cat("more than ", kMaxNodes, " values (aliases count in full)"));
  }

  Node make(ConfigNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    if (!tag.empty() && tag != "?" && tag != "!")
      refuse(place(mark), "the tag '" + tag + "'; tags are not read here, leave it out");
    count(mark, 1);
    auto node = std::make_shared<ConfigNode>();
    node->kind = kind;
    node->place = place(mark);
    if (anchor != 0) anchors_[anchor] = node;
    return node;
  }

  void open(const Node& node, const YAML::Mark& mark, YAML::EmitterStyle::value style) {
    if (open_.size() == kMaxDepth) refuse_depth(mark);
    add(node, mark);
    Open& opened = open_.emplace_back();
    opened.node = node;
    if (style == YAML::EmitterStyle::Flow) opened.bracket = content_begin(mark);
  }

  void close() { open_.pop_back(); }

  void add(const Node& node, const YAML::Mark& mark) {
    if (open_.empty()) {
      root = node;
      return;
    }
    Open& parent = open_.back();
    if (parent.node->kind == ConfigNode::Kind::kList) {
      parent.node->items.push_back(node);
    } else if (!parent.has_key) {
      take_key(parent, node, mark);
    } else {
      // yaml-cpp places a value that is not written at whatever follows.
      if (node->kind == ConfigNode::Kind::kNull) node->place = parent.key_place;
      parent.has_key = false;
      if (!parent.drops_value) parent.node->members.push_back({parent.key, parent.key_place, node});
    }
  }

  void take_key(Open& parent, const Node& node, const YAML::Mark& mark) {
    if (node->kind != ConfigNode::Kind::kScalar)
      refuse(place(mark), "a key that is " + node->description() +
                              "; expected a word (or a bracket is left open)");
    parent.has_key = true;
    parent.key = node->text;
    parent.key_place = place(mark);
    const bool is_merge = node->text == "<<" && !node->is_quoted;
    const bool is_new = parent.keys.insert(node->text).second;
    parent.drops_value = is_merge || !is_new;
    if (is_merge) {
      mistakes_.push_back({parent.key_place, "merge keys (<<) are not read; write the keys out"});
    } else if (!is_new) {
      mistakes_.push_back({parent.key_place, "the key '" + node->text + "' is given twice"});
    }
  }

  const std::string& text_;
  const ConfigPlace& start_;
  std::vector<ConfigMistake>& mistakes_;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, Node> anchors_;
  std::optional<std::size_t> quote_;  // where the last text in quotes began
  std::size_t nodes_ = 0, documents_ = 0;
  std::size_t line_begin_ = 0, counted_to_ = 0, column_ = 1;
};

ConfigPlace place_of(const std::string& text, const ConfigPlace& start, std::size_t offset) {
  ConfigPlace place = start;
  if (start.line == 0) return place;
  const std::string_view before = std::string_view(text).substr(0, offset);
  place.line = 1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
  place.column = 1;
  for (const char c : before.substr(before.rfind('\n') + 1))
    if ((c & 0xc0) != 0x80) ++place.column;
  return place;
}

// yaml-cpp would read UTF-16, replace bad bytes and pass control characters on.
void refuse_bad_bytes(const std::string& text, const ConfigPlace& start) {
  if (text.size() > kMaxConfigBytes)
    refuse(start, str_cat(text.size(), " bytes; expected at most ", kMaxConfigBytes));
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string::npos)
    refuse(place_of(text, start, bad), "not valid UTF-8");
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f)
      refuse(place_of(text, start, i), "a control character");
  }
}

}  // namespace

std::string ConfigPlace::text() const {
  return line == 0 ? source : str_cat(source, ":", line, ":", column);
}

ConfigNode::Member* ConfigNode::find(std::string_view key) {
  for (Member& member : members)
    if (member.key == key) return &member;
  return nullptr;
}

ConfigNode::Member* ConfigNode::find_on_the_way(std::string_view way, bool* whole) {
  Member* found = nullptr;
  ConfigNode* node = this;
  for (std::size_t begin = 0; begin <= way.size();) {
    const std::size_t end = std::min(way.find('.', begin), way.size());
    Member* const next = node->find(way.substr(begin, end - begin));
    if (next == nullptr) break;
    found = next;
    node = next->value.get();
    begin = end + 1;
    if (whole != nullptr) *whole = begin > way.size();
  }
  return found;
}

std::string ConfigNode::description() const {
  switch (kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kList:
      return "a list";
    case Kind::kMapping:
      return "a mapping";
    case Kind::kScalar:
      break;
  }
  return is_quoted ? "the string \"" + shortened(text) + "\"" : "'" + shortened(text) + "'";
}

std::size_t ConfigNode::size() const {
  std::size_t total = 1;
  for (const auto& item : items) total += item->size();
  for (const Member& member : members) total += 1 + member.value->size();
  return total;
}

std::size_t ConfigNode::depth() const {
  std::size_t below = 0;
  for (const auto& item : items) below = std::max(below, item->depth());
  for (const Member& member : members) below = std::max(below, member.value->depth());
  return below + 1;
}

std::shared_ptr<ConfigNode> ConfigNode::clone() const {
  auto copy = std::make_shared<ConfigNode>(*this);
  for (auto& item : copy->items) item = item->clone();
  for (Member& member : copy->members) member.value = member.value->clone();
  return copy;
}

std::shared_ptr<ConfigNode> parse_config_text(std::string text, const ConfigPlace& place,
                                              std::vector<ConfigMistake>& mistakes) {
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
  refuse_bad_bytes(text, place);
  Builder builder(text, place, mistakes);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    // With an end of its last line, a text is read to its end: then the open quote has a place.
    if (error.msg == YAML::ErrorMsg::EOF_IN_SCALAR && !text.ends_with('\n'))
      parse_config_text(text + "\n", place, mistakes);
    const ConfigSyntaxMistake mistake = builder.explain(error);
    refuse(place_of(text, place, mistake.offset), "not valid YAML: " + mistake.message);
  }
  return builder.root;
}

}  // namespace attune
