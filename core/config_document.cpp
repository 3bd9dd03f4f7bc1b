#include <algorithm>
#include <tuple>
#include <utility>

#include "core/config_node.h"
#include "core/config_reader.h"
#include "core/error.h"
#include "core/file.h"

namespace attune {
namespace {

using Kind = ConfigNode::Kind;

struct Override {
  std::vector<std::string> path;
  std::string value;
};

Override split_override(const std::string& text) {
  const std::size_t equals = text.find('=');
  const auto refuse = [&] {
    throw_error(ErrorKind::kConfig, "override '", text, "': expected section.key=value");
  };
  if (equals == std::string::npos) refuse();
  Override out{{}, text.substr(equals + 1)};
  std::size_t begin = 0;
  while (begin <= equals) {
    const std::size_t end = std::min(text.find('.', begin), equals);
    if (end == begin) refuse();
    out.path.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  constexpr std::size_t kMaxPath = 32;
  if (out.path.size() > kMaxPath) refuse();
  return out;
}

// Puts the value into the tree; sections on the way are made, so that the reader sees an unknown
// one.
void apply_override(ConfigNode& root, const std::string& text, const ConfigPlace& place,
                    std::vector<ConfigMistake>& mistakes) {
  const Override parsed = split_override(text);
  const auto value = parse_config_text(parsed.value, place, mistakes);
  ConfigNode* section = &root;
  std::string path;
  for (std::size_t i = 0; i < parsed.path.size(); ++i) {
    const std::string& key = parsed.path[i];
    if (section->kind == Kind::kNull) section->kind = Kind::kMapping;
    if (section->kind != Kind::kMapping) {
      mistakes.push_back(
          {place, "'" + path + "' is " + section->description() + " in the file; it has no keys"});
      return;
    }
    ConfigNode::Member* member = section->find(key);
    if (member == nullptr) {
      auto made = std::make_shared<ConfigNode>();
      made->place = place;
      member = &section->members.emplace_back(ConfigNode::Member{key, place, made});
    }
    if (i + 1 == parsed.path.size()) {
      member->value = value;
      member->place = place;
    }
    path = dotted_path(path, key);
    section = member->value.get();
  }
}

void forget_visits(ConfigNode& node) {
  node.known_keys.clear();
  node.is_refused = false;
  for (ConfigNode::Member& member : node.members) {
    member.visited = member.is_section = member.is_changed = false;
    forget_visits(*member.value);
  }
}

std::vector<std::string> in_order(std::vector<ConfigMistake> found) {
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::tie(a.place.source_order, a.place.line, a.place.column) <
           std::tie(b.place.source_order, b.place.line, b.place.column);
  });
  std::vector<std::string> lines;
  for (const ConfigMistake& one : found) lines.push_back(one.place.text() + ": " + one.message);
  return lines;
}

void add_origins(const ConfigNode& node, const std::string& path, ConfigOrigins& origins) {
  for (const ConfigNode::Member& member : node.members) {
    const std::string below = dotted_path(path, member.key);
    const ConfigPlace& place = member.place;
    if (member.value->kind == Kind::kMapping)
      add_origins(*member.value, below, origins);
    else
      origins[below] = place.line == 0 ? "override" : str_cat(place.source, ":", place.line);
  }
}

}  // namespace

ConfigDocument ConfigDocument::load(const std::string& path,
                                    std::span<const std::string> overrides) {
  std::string text;
  try {
    text = read_file(path, kMaxConfigBytes);
  } catch (const Error& error) {
    // A configuration that is not there is a mistake of the command line.
    throw Error(error.kind() == ErrorKind::kData ? ErrorKind::kConfig : error.kind(), error.what());
  }
  return parse(text, path, overrides);
}

ConfigDocument ConfigDocument::parse(const std::string& text, const std::string& place,
                                     std::span<const std::string> overrides) {
  ConfigDocument document;
  document.structural_ = std::make_shared<std::vector<ConfigMistake>>();
  const ConfigPlace start{place, 0, 1, 1};
  document.root_ = parse_config_text(text, start, *document.structural_);
  if (document.root_->kind == Kind::kNull) {
    document.root_->kind = Kind::kMapping;
    document.root_->place = start;
  }
  if (document.root_->kind != Kind::kMapping)
    throw_error(ErrorKind::kConfig, document.root_->place.text(),
                ": expected a mapping of keys to values, found ", document.root_->description());
  for (std::size_t i = 0; i < overrides.size(); ++i)
    apply_override(*document.root_, overrides[i], {"override '" + overrides[i] + "'", i + 1, 0, 0},
                   *document.structural_);
  return document;
}

ConfigReader ConfigDocument::root() {
  forget_visits(*root_);
  root_->mistakes = std::make_shared<std::vector<ConfigMistake>>(*structural_);
  root_->warnings = std::make_shared<std::vector<ConfigMistake>>();
  return ConfigReader(root_);
}

void ConfigDocument::close(ConfigReader& reader) {
  reader.finish();
  const std::vector<std::string> lines = in_order(*root_->mistakes);
  if (lines.empty()) return;
  std::string message;
  for (const std::string& line : lines) message += (message.empty() ? "" : "\n") + line;
  throw Error(ErrorKind::kConfig, message);
}

std::vector<std::string> ConfigDocument::warnings() const {
  return root_->warnings ? in_order(*root_->warnings) : std::vector<std::string>();
}

ConfigOrigins ConfigDocument::origins() const {
  ConfigOrigins origins;
  add_origins(*root_, "", origins);
  return origins;
}

}  // namespace attune
