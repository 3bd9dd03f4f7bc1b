#include "data/tokenizers/json_tokenizer.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "data/tokenizers/added_token_files.h"

namespace attune {
namespace {

const Json kNothing = nullptr;  // outlives every place made of it

// A section that may be left out, which is the same as null.
JsonPlace section_of(const JsonPlace& root, const char* key) {
  return root.has(key) ? root.at(key) : JsonPlace(kNothing, str_cat(root.where(), ": ", key));
}

const Json& checked_version(const Json& file, const std::string& place) {
  const JsonPlace root(file, place);
  if (root.object().contains("version") && root.at("version").text() != "1.0") {
    root.at("version").refuse("\"1.0\"");
  }
  return file;
}

// Calls what(step) for a section, or for each step of its Sequences.
template <class What>
void for_each_step(const JsonPlace& section, const char* steps, const What& what) {
  if (!section.has(steps)) {
    if (section.has("type")) what(section);
    return;
  }
  const JsonPlace list = section.at(steps);
  for (std::size_t i = 0; i < list.array().size(); ++i) for_each_step(list.element(i), steps, what);
}

// "first" means that a text begins at the user's first character. Where a normalizer drops that
// one, the peer no longer takes what is left for the beginning, by rules of its own.
void check_first(const JsonPlace& root) {
  bool drops = false;
  for_each_step(section_of(root, "normalizer"), "normalizers", [&drops](const JsonPlace& step) {
    const std::string& type = step.at("type").text();
    drops = drops || type == "StripAccents" || type == "BertNormalizer" ||
            (type == "Strip" && step.boolean_or("strip_left", true));
  });
  if (!drops) return;
  for_each_step(section_of(root, "pre_tokenizer"), "pretokenizers", [](const JsonPlace& step) {
    if (!step.has("prepend_scheme")) return;
    const JsonPlace scheme = step.at("prepend_scheme");
    if (scheme.text() == "first") {
      scheme.refuse(
          "always or never behind a normalizer that may drop a text's beginning (Strip, "
          "StripAccents, BertNormalizer)");
    }
  });
}

VocabularyView view_of(const TokenModel& model) {
  return {[&model](const std::string& token) { return model.id_of(token); },
          [&model](std::int32_t id) { return model.has_id(id); }, model.num_tokens()};
}

void put(Sha256& hash, std::string_view part) {
  hash.update(str_cat(part.size(), ":")).update(part);
}

// A section's values with the keys of its objects in order, so that a file written again in another
// order of keys has the same fingerprint. `depth` is bounded by the parser.
void put_json(Sha256& hash, const Json& value) {
  if (value.is_object()) {
    std::vector<std::pair<std::string_view, const Json*>> members;
    for (const auto& [key, member] : value.items()) members.emplace_back(key, &member);
    std::sort(members.begin(), members.end());
    put(hash, str_cat("{", members.size()));
    for (const auto& [key, member] : members) {
      put(hash, key);
      put_json(hash, *member);
    }
  } else if (value.is_array()) {
    put(hash, str_cat("[", value.size()));
    for (const Json& element : value) put_json(hash, element);
  } else if (value.is_string()) {
    put(hash, "\"");
    put(hash, value.get_ref<const std::string&>());
  } else {
    put(hash, value.dump());
  }
}

// The ids of pieces, until there are enough.
class ModelSink final : public PieceSink {
 public:
  ModelSink(const TokenModel& model, std::size_t limit, std::vector<std::int32_t>& out)
      : model_(model), limit_(limit), out_(out) {}
  bool take(std::string_view text, bool) override {
    model_.append(text, out_);
    return out_.size() < limit_;
  }

 private:
  const TokenModel& model_;
  std::size_t limit_;
  std::vector<std::int32_t>& out_;
};

Fingerprint fingerprint_of(const JsonPlace& root, TruncationSide side,
                           const std::vector<AddedToken>& tokens) {
  Sha256 hash;
  put(hash, "JsonTokenizer 1");
  put(hash, side == TruncationSide::kLeft ? "left" : "right");
  for (const char* key : {"normalizer", "pre_tokenizer", "post_processor", "model"}) {
    put_json(hash, section_of(root, key).value());
  }
  auto added = tokens;
  std::sort(added.begin(), added.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  put(hash, str_cat(added.size()));
  for (const AddedToken& token : added) {
    put(hash, token.content);
    put(hash, str_cat(token.id, token.single_word, token.lstrip, token.rstrip, token.normalized));
  }
  return hash.hex();
}

}  // namespace

JsonTokenizer::JsonTokenizer(const Json& file, const std::string& place, TruncationSide side)
    : normalizer_(make_normalizer(
          section_of(JsonPlace(checked_version(file, place), place), "normalizer"))),
      pre_tokenizer_(make_pre_tokenizer(section_of(JsonPlace(file, place), "pre_tokenizer"))),
      model_(make_token_model(JsonPlace(file, place).at("model"))),
      special_(read_post_processor(section_of(JsonPlace(file, place), "post_processor"))),
      added_tokens_(
          read_added_tokens(section_of(JsonPlace(file, place), "added_tokens"), view_of(*model_))),
      raw_tokens_(tokens_to_match(added_tokens_, false, nullptr, place)),
      normalized_tokens_(tokens_to_match(
          added_tokens_, true, [this](std::string text) { return normalized(std::move(text)); },
          place)),
      side_(side),
      vocabulary_size_(model_->id_limit()),
      fingerprint_(fingerprint_of(JsonPlace(file, place), side, added_tokens_)) {
  check_first(JsonPlace(file, place));
  for (const AddedToken& token : added_tokens_) {
    vocabulary_size_ = std::max(vocabulary_size_, token.id + 1);
  }
  check_special_ids([this](std::int32_t id) { return model_->has_id(id); }, added_tokens_,
                    special_.prefix, special_.suffix, place + ": post_processor");
}

std::string JsonTokenizer::normalized(std::string text) const {
  normalizer_->normalize(text);
  return text;
}

void JsonTokenizer::append_normalized(std::string_view text, bool at_start, std::size_t limit,
                                      std::vector<std::int32_t>& out) const {
  const std::string normal = normalized(std::string(text));
  ModelSink model(*model_, limit, out);
  AddedTokenPieces pieces(normalized_tokens_, normal);
  for (AddedTokenPieces::Piece piece; out.size() < limit && pieces.next(piece);) {
    if (piece.id >= 0) {
      out.push_back(piece.id);
    } else {
      pre_tokenizer_->split(piece.text, at_start && piece.text.data() == normal.data(), model);
    }
  }
}

void JsonTokenizer::encode(std::string_view prompt, std::string_view text, int max_length,
                           std::vector<std::int32_t>& out) const {
  const std::size_t room =
      room_for_text(max_length, special_.prefix.size() + special_.suffix.size());
  std::string joined;
  text = join_checked(prompt, text, joined);
  out.insert(out.end(), special_.prefix.begin(), special_.prefix.end());
  const std::size_t begin = out.size();
  // Cut on the left, a text has to be read to its end.
  const std::size_t limit = side_ == TruncationSide::kRight ? begin + room : out.max_size();
  AddedTokenPieces pieces(raw_tokens_, text);
  for (AddedTokenPieces::Piece piece; out.size() < limit && pieces.next(piece);) {
    if (piece.id >= 0) {
      out.push_back(piece.id);
    } else {
      append_normalized(piece.text, piece.text.data() == text.data(), limit, out);
    }
  }
  if (out.size() - begin > room) {
    const auto first = out.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto count = static_cast<std::ptrdiff_t>(room);
    if (side_ == TruncationSide::kRight) {
      out.erase(first + count, out.end());
    } else {
      out.erase(first, out.end() - count);
    }
  }
  out.insert(out.end(), special_.suffix.begin(), special_.suffix.end());
}

TruncationSide truncation_side(const Json& tokenizer, const std::string& place, const Json& config,
                               const std::string& config_place) {
  if (const JsonPlace options(config, config_place); options.has("truncation_side")) {
    const JsonPlace side = options.at("truncation_side");
    if (side.text() == "left") return TruncationSide::kLeft;
    if (side.text() != "right") side.refuse("\"left\" or \"right\"");
    return TruncationSide::kRight;
  }
  if (const JsonPlace root(tokenizer, place); root.has("truncation")) {
    const JsonPlace section = root.at("truncation");
    if (!section.has("direction")) return TruncationSide::kRight;
    const JsonPlace direction = section.at("direction");
    if (direction.text() == "Left") return TruncationSide::kLeft;
    if (direction.text() != "Right") direction.refuse("\"Left\" or \"Right\"");
  }
  return TruncationSide::kRight;
}

}  // namespace attune
