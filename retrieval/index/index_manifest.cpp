#include "retrieval/index/index_manifest.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "core/error.h"
#include "core/file.h"

namespace attune {
namespace {

constexpr int kFormatVersion = 1;
constexpr std::int64_t kMostNodes = std::int64_t{1} << 40;
constexpr int kWidest = 1 << 16;  // so that no product of the two overflows

bool is_sha256(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// Members of a JSON object, each of which must be there and of its kind.
class Members {
 public:
  Members(const Json& json, std::string place, std::size_t count)
      : json_(json), place_(std::move(place)) {
    if (!json.is_object() || json.size() != count)
      refuse("it", str_cat("an object with ", count, " members"));
  }
  std::string text(const char* key) const {
    const Json& value = at(key);
    if (!value.is_string()) refuse(key, "a string");
    return value.get<std::string>();
  }
  Fingerprint sha256(const char* key) const {
    const std::string value = text(key);
    if (!is_sha256(value)) refuse(key, "64 hexadecimal digits");
    return value;
  }
  std::int64_t number(const char* key, std::int64_t low, std::int64_t high) const {
    const Json& value = at(key);
    const bool fits = value.is_number_integer() && value >= low && value <= high;
    if (!fits) refuse(key, str_cat("a whole number from ", low, " to ", high));
    return value.get<std::int64_t>();
  }
  IndexFile file(const char* key) const {
    const Members members(at(key), place_ + ", " + key, 2);
    return {static_cast<std::uint64_t>(members.number("size", 0, std::int64_t{1} << 60)),
            members.sha256("sha256")};
  }
  const Json& at(const char* key) const {
    const auto found = json_.find(key);
    if (found == json_.end()) refuse(key, "it to be there");
    return *found;
  }

 private:
  [[noreturn]] void refuse(const std::string& what, const std::string& expected) const {
    throw_error(ErrorKind::kData, place_, ": ", what, ": expected ", expected,
                "; the index is damaged, or of another attune: build it again");
  }
  const Json& json_;
  std::string place_;
};

std::string generation_name(std::int64_t number) {
  char name[32];
  std::snprintf(name, sizeof name, "generation-%08lld", static_cast<long long>(number));
  return name;
}

Json file_json(const IndexFile& file) { return {{"size", file.size}, {"sha256", file.sha256}}; }

std::string in_shell(const std::string& word) {
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || std::strchr("-_./:=+,@", c) != nullptr;
  });
  if (plain) return word;
  std::string quoted = "'";
  for (char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace

bool is_query_adapter(const BaseEmbedding& model) {
  return model.query_space() != model.base_query_space();
}

IndexSpace IndexSpace::of(const BaseEmbedding& embedding, const std::string& model,
                          const std::string& base, int max_length) {
  return {model,
          base,
          max_length,
          embedding.document_space(),
          embedding.base_query_space(),
          embedding.dimension()};
}

std::string IndexManifest::to_json() const {
  const Json json = {
      {"attune_index", kFormatVersion},
      {"model", space.model},
      {"base", space.base},
      {"max_length", space.max_length},
      {"document_space", space.document_space},
      {"query_space", space.query_space},
      {"dimension", space.dimension},
      {"nodes", nodes},
      {"nodes.jsonl", file_json(node_file)},
      {"vectors.safetensors", file_json(vector_file)},
      {"neighbours.graph", graph_file ? file_json(*graph_file) : Json()},
  };
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

IndexManifest IndexManifest::parse(const std::string& json, const std::string& place) {
  const Json parsed = parse_json(json, place);
  const Members members(parsed, place, 11);
  members.number("attune_index", kFormatVersion, kFormatVersion);
  IndexManifest manifest;
  IndexSpace& space = manifest.space;
  space.model = members.text("model");
  space.base = members.text("base");
  space.max_length = static_cast<int>(members.number("max_length", 0, 1 << 30));
  space.document_space = members.text("document_space");
  space.query_space = members.text("query_space");
  space.dimension = static_cast<int>(members.number("dimension", 1, kWidest));
  manifest.nodes = members.number("nodes", 0, kMostNodes);
  manifest.node_file = members.file("nodes.jsonl");
  manifest.vector_file = members.file("vectors.safetensors");
  if (!members.at("neighbours.graph").is_null())
    manifest.graph_file = members.file("neighbours.graph");
  return manifest;
}

std::uint64_t IndexManifest::vector_bytes() const {
  return static_cast<std::uint64_t>(nodes) * static_cast<std::uint64_t>(space.dimension) *
         sizeof(float);
}

std::string IndexManifest::vector_header() const {
  const Json json = {
      {"__metadata__",
       {{"attune_index", std::to_string(kFormatVersion)},
        {"document_space", space.document_space},
        {"nodes_sha256", node_file.sha256}}},
      {"vectors",
       {{"dtype", "F32"},
        {"shape", Json::array({nodes, space.dimension})},
        {"data_offsets", Json::array({0, vector_bytes()})}}},
  };
  std::string text = json.dump();
  text.append((64 - (8 + text.size()) % 64) % 64, ' ');
  const auto length = static_cast<std::uint64_t>(text.size());
  std::string header(8, '\0');
  std::memcpy(header.data(), &length, 8);
  return header + text;
}

void check_space(const IndexManifest& manifest, const BaseEmbedding& model, const std::string& name,
                 const std::string& directory) {
  const IndexSpace& space = manifest.space;
  std::string difference;
  if (model.document_space() != space.document_space)
    difference = str_cat("its document space is ", model.document_space().substr(0, 12),
                         ", the index's is ", space.document_space.substr(0, 12),
                         " (weights, tokenizer, pooling, normalisation, length, document prompt "
                         "and an adapter for documents decide it)");
  else if (model.dimension() != space.dimension)
    difference =
        str_cat("its vectors have ", model.dimension(), " numbers, the index's ", space.dimension);
  else if (!is_query_adapter(model) && model.query_space() != space.query_space)
    difference =
        "it puts another prompt before queries than the index's model (its documents are "
        "the same, so that a rebuild embeds nothing again)";
  if (difference.empty()) return;
  const std::string as_built =
      str_cat(space.base.empty() ? "" : ", base '" + space.base + "'",
              space.max_length > 0 ? str_cat(", max_length ", space.max_length) : "");
  throw_error(ErrorKind::kData, directory, ": this index was made with the model '", space.model,
              "'", as_built, "; the model '", name, "' does not belong to it: ", difference,
              ". Use the index's model, or rebuild: attune index build ", in_shell(directory),
              " --model ", in_shell(name), manifest.graph_file ? " --approximate" : "");
}

std::string CurrentGeneration::name() const { return generation_name(number); }

std::string CurrentGeneration::to_json() const {
  const Json json = {
      {"attune_index", kFormatVersion}, {"generation", number}, {"manifest_sha256", manifest}};
  return json.dump() + "\n";
}

std::optional<CurrentGeneration> read_current(const std::string& directory) {
  const std::string path = directory + "/current.json";
  if (!file_exists(path)) return std::nullopt;
  const Json json = read_json_file(path, 1 << 16);
  const Members members(json, path, 3);
  members.number("attune_index", kFormatVersion, kFormatVersion);
  return CurrentGeneration{members.number("generation", 1, std::int64_t{1} << 40),
                           members.sha256("manifest_sha256")};
}

}  // namespace attune
