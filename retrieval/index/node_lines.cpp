#include "retrieval/index/node_lines.h"

#include <unordered_set>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "data/dataset_formats.h"
#include "data/lines.h"

namespace attune {
namespace {

const std::string& text_at(const Json& object, const char* key, const std::string& place) {
  const auto found = object.find(key);
  if (found == object.end())
    throw_error(ErrorKind::kData, place, ": there is no \"", key,
                "\"; a node is {\"id\": ..., \"text\": ..., \"metadata\": {...}}");
  if (!found->is_string())
    throw_error(ErrorKind::kData, place, ": \"", key, "\" is ", found->type_name(),
                ", expected a string");
  return found->get_ref<const std::string&>();
}

Json parse_object(std::string_view text, const std::string& place) {
  Json json = parse_json(text, place);
  if (!json.is_object())
    throw_error(ErrorKind::kData, place, ": found ", json.type_name(), ", expected an object");
  return json;
}

// A line from outside: what is not the node's own becomes metadata.
TextNode node_of(const Json& line, const std::string& place) {
  TextNode node{text_at(line, "id", place), text_at(line, "text", place)};
  Json metadata = Json::object();
  if (const auto given = line.find("metadata"); given != line.end()) {
    if (!given->is_object())
      throw_error(ErrorKind::kData, place, ": \"metadata\" is ", given->type_name(),
                  ", expected an object");
    metadata = *given;
  }
  for (const auto& [key, value] : line.items()) {
    if (key == "id" || key == "text" || key == "metadata") continue;
    if (metadata.contains(key))
      throw_error(ErrorKind::kData, place, ": \"", key, "\" stands beside \"metadata\" and in it");
    metadata[key] = value;
  }
  node.metadata = metadata.dump();
  return node;
}

void check_utf8(const std::string& text, const char* what, const std::string& place) {
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string::npos)
    throw_error(ErrorKind::kData, place, ": the ", what, " is not UTF-8 at byte ", bad);
}

bool is_lines(const std::string& path) {
  return path.ends_with(".jsonl") || path.ends_with(".jsonl.gz");
}

}  // namespace

std::string node_line(const TextNode& node) {
  return str_cat(R"({"id":)", Json(node.id).dump(), R"(,"text":)", Json(node.text).dump(),
                 R"(,"metadata":)", node.metadata, "}\n");
}

TextNode parse_node_line(std::string_view line, const std::string& place) {
  const Json json = parse_object(line, place);
  TextNode node{text_at(json, "id", place), text_at(json, "text", place)};
  const auto metadata = json.find("metadata");
  if (metadata == json.end() || !metadata->is_object() || json.size() != 3)
    throw_error(ErrorKind::kData, place, ": expected \"id\", \"text\" and \"metadata\" alone");
  node.metadata = metadata->dump();
  return node;
}

std::vector<TextNode> read_nodes(const std::string& path) {
  std::vector<TextNode> nodes;
  if (!is_lines(path)) {
    const auto dataset = load_qa_dataset(path);
    for (std::int64_t row = 0; row < dataset.corpus.size(); ++row)
      nodes.push_back({dataset.corpus.id(row), dataset.corpus.text(row)});
    return nodes;
  }
  LineReader lines(path);
  std::unordered_set<std::string> ids;
  for (std::string_view line; lines.next(line);) {
    const std::string place = str_cat(path, ":", lines.line_number());
    nodes.push_back(node_of(parse_object(line, place), place));
    if (!ids.insert(nodes.back().id).second)
      throw_error(ErrorKind::kData, place, ": the id '", nodes.back().id,
                  "' stands in an earlier line; ids must differ");
  }
  return nodes;
}

std::vector<TextNode> checked_nodes(std::span<const TextNode> nodes) {
  std::vector<TextNode> checked(nodes.begin(), nodes.end());
  std::unordered_set<std::string_view> ids;
  for (std::size_t i = 0; i < checked.size(); ++i) {
    TextNode& node = checked[i];
    const std::string place = str_cat("node ", i, " ('", node.id, "')");
    check_utf8(node.id, "id", str_cat("node ", i));
    check_utf8(node.text, "text", place);
    if (node.id.empty()) throw_error(ErrorKind::kData, "node ", i, ": its id is empty");
    if (!ids.insert(node.id).second)
      throw_error(ErrorKind::kData, place, ": an earlier node has this id; ids must differ");
    node.metadata = parse_object(node.metadata, place + ", metadata").dump();
  }
  return checked;
}

}  // namespace attune
