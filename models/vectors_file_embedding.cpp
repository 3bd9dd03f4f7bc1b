#include "models/vectors_file_embedding.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/json.h"

namespace attune {
namespace {

constexpr std::size_t kWidest = 1 << 16;
constexpr std::size_t kShownBytes = 60;  // of a text that is not there

std::string beginning_of(std::string_view text) {
  if (text.size() <= kShownBytes) return std::string(text);
  std::size_t end = kShownBytes;
  while (end > 0 && (text[end] & 0xc0) == 0x80) --end;  // not inside a character
  return std::string(text.substr(0, end)) + "...";
}

std::string hash_of(const Json& line, const std::string& place) {
  const bool has_text = line.contains("text"), has_hash = line.contains("sha256");
  if (has_text == has_hash || !line[has_text ? "text" : "sha256"].is_string())
    throw_error(ErrorKind::kData, place,
                ": expected \"text\" or \"sha256\", one of them, a string");
  if (has_text) return sha256(line["text"].get_ref<const std::string&>());
  std::string hash = line["sha256"].get<std::string>();
  if (hash.size() != 64 || hash.find_first_not_of("0123456789abcdef") != std::string::npos)
    throw_error(ErrorKind::kData, place, ": \"sha256\": expected 64 hexadecimal digits");
  return hash;
}

}  // namespace

VectorsFileEmbedding::VectorsFileEmbedding(const std::string& path) : path_(path) {
  const std::string bytes = read_file(path);
  space_ = sha256("vectors file " + sha256(bytes));
  std::string_view rest = bytes;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::string_view text = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), text.size() + 1));
    if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string place = str_cat(path, ":", number);
    const Json line = parse_json(text, place);
    if (!line.is_object()) throw_error(ErrorKind::kData, place, ": expected a JSON object");
    for (const auto& [name, value] : line.items())
      if (name != "text" && name != "sha256" && name != "vector" && name != "role")
        throw_error(ErrorKind::kData, place, ": \"", name,
                    "\" is not known: expected text or sha256, vector, role");
    const std::string hash = hash_of(line, place);
    if (!line.contains("vector") || !line["vector"].is_array() || line["vector"].empty() ||
        line["vector"].size() > kWidest)
      throw_error(ErrorKind::kData, place, ": \"vector\": expected 1 to ", kWidest, " numbers");
    const Json& vector = line["vector"];
    if (dimension_ == 0) dimension_ = static_cast<int>(vector.size());
    if (vector.size() != static_cast<std::size_t>(dimension_))
      throw_error(ErrorKind::kData, place, ": \"vector\" has ", vector.size(),
                  " numbers, those before have ", dimension_);
    const std::size_t row = vectors_.size() / static_cast<std::size_t>(dimension_);
    for (const Json& number_of : vector) {
      const float value = number_of.is_number() ? number_of.get<float>() : NAN;
      if (!std::isfinite(value))
        throw_error(ErrorKind::kData, place, ": \"vector\": expected numbers that fit 32 bits");
      vectors_.push_back(value);
    }
    const Json role = line.value("role", Json("both"));
    if (role != "both" && role != "query" && role != "text")
      throw_error(ErrorKind::kData, place, ": \"role\": expected query, text or none");
    if (role != "text") add(Role::kQuery, hash, row, place);
    if (role != "query") add(Role::kText, hash, row, place);
  }
  if (vectors_.empty())
    throw_error(ErrorKind::kData, path,
                ": holds no vector: expected lines of JSON with text and vector");
}

void VectorsFileEmbedding::add(Role role, const std::string& hash, std::size_t row,
                               const std::string& place) {
  if (!rows_[static_cast<int>(role)].emplace(hash, row).second)
    throw_error(ErrorKind::kData, place, ": its text is there already");
}

void VectorsFileEmbedding::embed(Role role, std::span<const std::string_view> texts,
                                 std::span<float> out) const {
  const auto& rows = rows_[static_cast<int>(role)];
  const auto width = static_cast<std::size_t>(dimension_);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string hash = sha256(texts[i]);
    const auto row = rows.find(hash);
    if (row == rows.end())
      throw_error(ErrorKind::kData, path_, ": holds no vector of the ",
                  role == Role::kQuery ? "query '" : "text '", beginning_of(texts[i]),
                  "' (SHA-256 ", hash, "): add it, or use the model itself");
    std::copy_n(vectors_.data() + row->second * width, width, out.data() + i * width);
  }
}

}  // namespace attune
