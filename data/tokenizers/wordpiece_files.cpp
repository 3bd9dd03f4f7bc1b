#include "data/tokenizers/wordpiece_files.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/file.h"
#include "data/tokenizers/characters.h"
#include "data/tokenizers/quote.h"

namespace attune {
namespace {

constexpr std::int32_t kMaxIds = 1 << 24;  // far above any vocabulary; bounds what ids may ask for

// A value of a parsed file and where it stands: every question asked of it fails with that place.
class Place {
 public:
  Place(const Json& value, std::string where) : value_(value), where_(std::move(where)) {}
  const Json& value() const { return value_; }

  [[noreturn]] void refuse(const std::string& expected) const {
    std::string found = value_.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (found.size() > 60) found = str_cat(value_.type_name(), " ", found.substr(0, 60), "...");
    throw_error(ErrorKind::kData, where_, ": found ", found, ", expected ", expected);
  }
  bool has(const char* key) const {
    return value_.is_object() && value_.contains(key) && !value_.at(key).is_null();
  }
  Place at(const char* key) const {
    if (!value_.is_object()) refuse("an object");
    const auto found = value_.find(key);
    if (found == value_.end()) {
      throw_error(ErrorKind::kData, where_, ": \"", key, "\" is missing");
    }
    return {*found, str_cat(where_, ": ", key)};
  }
  Place element(std::size_t index) const {
    return {value_.at(index), str_cat(where_, "[", index, "]")};
  }
  Place member(const std::string& key, const Json& value) const {
    return {value, str_cat(where_, ": ", quote(key))};
  }
  const Json& object() const {
    if (!value_.is_object()) refuse("an object");
    return value_;
  }
  const Json& array() const {
    if (!value_.is_array()) refuse("an array");
    return value_;
  }
  const std::string& text() const {
    if (!value_.is_string()) refuse("a string");
    return value_.get_ref<const std::string&>();
  }
  bool boolean() const {
    if (!value_.is_boolean()) refuse("true or false");
    return value_.get<bool>();
  }
  bool boolean_or(const char* key, bool otherwise) const {
    return value_.is_object() && value_.contains(key) ? at(key).boolean() : otherwise;
  }
  std::int32_t id() const {
    if (!is_id(value_)) refuse(str_cat("a token id from 0 to ", kMaxIds - 1));
    return value_.get<std::int32_t>();
  }
  static bool is_id(const Json& value) {
    if (!value.is_number_integer()) return false;
    const auto id = value.get<std::int64_t>();  // 2^63 and above turn negative here
    return id >= 0 && id < kMaxIds;
  }
  // The section must be an object of the one type that is known.
  void require_type(const char* known) const {
    if (!value_.is_object()) refuse(str_cat("an object of type ", known));
    if (const Place type = at("type"); type.text() != known) {
      type.refuse(str_cat(known, " (attune reads BERT WordPiece tokenizers)"));
    }
  }

 private:
  const Json& value_;
  std::string where_;
};

BertNormalizerRules read_normalizer(const Place& section) {
  section.require_type("BertNormalizer");
  BertNormalizerRules rules;
  rules.clean_text = section.at("clean_text").boolean();
  rules.handle_chinese_chars = section.at("handle_chinese_chars").boolean();
  rules.lowercase = section.at("lowercase").boolean();
  rules.strip_accents =
      section.has("strip_accents") ? section.at("strip_accents").boolean() : rules.lowercase;
  return rules;
}

void read_model(const Place& section, BertWordPieceRules& rules) {
  if (section.has("type") || !section.value().is_object()) section.require_type("WordPiece");
  rules.unknown_token = section.at("unk_token").text();
  rules.continuation = section.at("continuing_subword_prefix").text();
  const Place longest = section.at("max_input_chars_per_word");
  if (!longest.value().is_number_unsigned()) longest.refuse("a whole number of characters");
  rules.max_characters_per_word = longest.value().get<std::uint64_t>();
  const Place vocabulary = section.at("vocab");
  rules.vocabulary.reserve(vocabulary.object().size());
  for (const auto& [token, id] : vocabulary.object().items()) {
    if (!Place::is_id(id)) vocabulary.member(token, id).id();  // makes the message
    rules.vocabulary.emplace_back(token, id.get<std::int32_t>());
  }
}

AddedToken read_added_token(const Place& entry) {
  AddedToken token;
  token.content = entry.at("content").text();
  token.single_word = entry.at("single_word").boolean();
  token.lstrip = entry.at("lstrip").boolean();
  token.rstrip = entry.at("rstrip").boolean();
  token.normalized = entry.at("normalized").boolean();
  return token;
}

// Gives each added token the id that the peer gives it: the vocabulary's own, or else the next one
// after as many as the vocabulary has. `tokens` are in the order of their adding.
class AddedTokenIds {
 public:
  explicit AddedTokenIds(const BertWordPieceRules& rules)
      : next_(static_cast<std::int32_t>(rules.vocabulary.size())) {
    for (const auto& [token, id] : rules.vocabulary) {
      ids_.emplace(token, id);
      taken_.insert(id);
    }
  }
  std::int32_t of(const std::string& token, const std::string& place) {
    if (const auto found = ids_.find(token); found != ids_.end()) return found->second;
    if (!taken_.insert(next_).second) {
      throw_error(ErrorKind::kData, place, ": added token ", quote(token), " would get id ", next_,
                  ", which is another token's, because the vocabulary's ids have gaps");
    }
    return ids_.emplace(token, next_++).first->second;
  }

 private:
  std::unordered_map<std::string, std::int32_t> ids_;
  std::unordered_set<std::int32_t> taken_;
  std::int32_t next_;
};

void read_added_tokens(const Place& section, const std::string& place, BertWordPieceRules& rules) {
  if (section.value().is_null()) return;
  AddedTokenIds ids(rules);
  std::unordered_set<std::string> contents;
  for (std::size_t i = 0; i < section.array().size(); ++i) {
    const Place entry = section.element(i);
    AddedToken token = read_added_token(entry);
    entry.at("special").boolean();
    const std::int32_t id = entry.at("id").id();
    if (token.content.empty()) continue;  // as the peer does
    if (!contents.insert(token.content).second) {
      entry.refuse("every added token once; this content was there before");
    }
    token.id = ids.of(token.content, place);
    if (token.id != id) {
      entry.at("id").refuse(str_cat("id ", token.id, ", which follows from the vocabulary for ",
                                    quote(token.content)));
    }
    rules.added_tokens.push_back(std::move(token));
  }
}

// The ids around $A in the single-sequence template.
void read_template(const Place& section, BertWordPieceRules& rules) {
  const Place single = section.at("single");
  const Place special_tokens = section.at("special_tokens");
  bool behind = false;
  for (std::size_t i = 0; i < single.array().size(); ++i) {
    const Place piece = single.element(i);
    if (piece.object().size() != 1) piece.refuse("one of SpecialToken and Sequence");
    if (piece.has("Sequence")) {
      const Place name = piece.at("Sequence").at("id");
      if (name.text() != "A" || behind) name.refuse("the sequence A, once");
      behind = true;
      continue;
    }
    const Place ids = special_tokens.at(piece.at("SpecialToken").at("id").text().c_str()).at("ids");
    for (std::size_t j = 0; j < ids.array().size(); ++j) {
      (behind ? rules.suffix_ids : rules.prefix_ids).push_back(ids.element(j).id());
    }
  }
  if (!behind) single.refuse("a template with the sequence A");
}

void read_post_processor(const Place& section, BertWordPieceRules& rules) {
  if (!section.value().is_object()) section.refuse("TemplateProcessing or BertProcessing");
  const Place type = section.at("type");
  if (type.text() == "TemplateProcessing") {
    read_template(section, rules);
  } else if (type.text() == "BertProcessing") {
    for (const auto& [key, ids] :
         {std::pair{"cls", &rules.prefix_ids}, {"sep", &rules.suffix_ids}}) {
      const Place pair = section.at(key);  // [token, id]
      if (pair.array().size() != 2) pair.refuse("a token and its id");
      pair.element(0).text();
      ids->push_back(pair.element(1).id());
    }
  } else {
    type.refuse("TemplateProcessing or BertProcessing");
  }
}

// Lines as the peer reads them: ended by \n or \r\n, white space at their end dropped.
void read_vocabulary_lines(std::string_view text, const std::string& place,
                           BertWordPieceRules& rules) {
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string_view::npos) {
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<long>(bad), '\n');
    throw_error(ErrorKind::kData, place, ":", line, ": byte ", bad, " of the file is not UTF-8");
  }
  std::unordered_map<std::string_view, std::size_t> positions;
  for (std::int32_t id = 0; !text.empty(); ++id) {
    if (id == kMaxIds) throw_error(ErrorKind::kData, place, ": more than ", kMaxIds, " lines");
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    while (!line.empty()) {
      const std::size_t last = previous_character(line, line.size());
      std::size_t at = last;
      if (!(Characters::get().flags(next_character(line, at)) & unicode_tables::kSpace)) break;
      line = line.substr(0, last);
    }
    const auto [found, added] = positions.emplace(line, rules.vocabulary.size());
    if (added) {
      rules.vocabulary.emplace_back(line, id);
    } else {
      rules.vocabulary[found->second].second = id;
    }
  }
}

// A special token of tokenizer_config.json: its text, or an object with its flags.
AddedToken read_special_token(const Place& entry, bool special = true) {
  if (entry.value().is_object()) {
    AddedToken token;
    token.content = entry.at("content").text();
    token.single_word = entry.boolean_or("single_word", false);
    token.lstrip = entry.boolean_or("lstrip", false);
    token.rstrip = entry.boolean_or("rstrip", false);
    token.normalized = entry.boolean_or("normalized", !entry.boolean_or("special", special));
    return token;
  }
  AddedToken token;
  token.content = entry.text();
  return token;
}

}  // namespace

BertWordPieceRules read_tokenizer_json(const Json& file, const std::string& place) {
  const Place root(file, place);
  if (root.object().contains("version") && root.at("version").text() != "1.0") {
    root.at("version").refuse("\"1.0\"");
  }
  BertWordPieceRules rules;
  read_model(root.at("model"), rules);
  rules.normalizer = read_normalizer(root.at("normalizer"));
  root.at("pre_tokenizer").require_type("BertPreTokenizer");
  read_post_processor(root.at("post_processor"), rules);
  if (root.has("added_tokens")) read_added_tokens(root.at("added_tokens"), place, rules);
  return rules;
}

BertWordPieceRules read_vocabulary_txt(std::string_view vocabulary, const std::string& place,
                                       const Json& config, const std::string& config_place,
                                       const Json& special_tokens_map) {
  const Json empty = Json::object();
  const Place options(config.is_null() ? empty : config, config_place);
  // The map is of transformers before 4.34; it holds unless the configuration is of a newer one.
  const bool old = !options.has("added_tokens_decoder") && !special_tokens_map.is_null();
  const Place map(old ? special_tokens_map : empty, "special_tokens_map.json");
  options.object();
  map.object();
  if (options.has("tokenizer_class")) {
    constexpr std::array kKnown = {"BertTokenizer",           "BertTokenizerFast",
                                   "DistilBertTokenizer",     "DistilBertTokenizerFast",
                                   "ElectraTokenizer",        "ElectraTokenizerFast",
                                   "PreTrainedTokenizerFast", "TokenizersBackend"};
    const Place type = options.at("tokenizer_class");
    if (std::find(kKnown.begin(), kKnown.end(), type.text()) == kKnown.end()) {
      type.refuse("BertTokenizer, or a tokenizer.json beside it");
    }
  }

  BertWordPieceRules rules;
  read_vocabulary_lines(vocabulary, place, rules);
  rules.normalizer.lowercase = options.boolean_or("do_lower_case", true);
  rules.normalizer.handle_chinese_chars = options.boolean_or("tokenize_chinese_chars", true);
  rules.normalizer.strip_accents = options.has("strip_accents")
                                       ? options.at("strip_accents").boolean()
                                       : rules.normalizer.lowercase;

  const std::unordered_map<std::string, std::int32_t> ids(rules.vocabulary.begin(),
                                                          rules.vocabulary.end());
  std::unordered_set<std::string> contents;
  const auto add = [&](AddedToken token, const char* what) {
    const auto id = ids.find(token.content);
    if (id == ids.end()) {
      throw_error(ErrorKind::kData, place, ": the ", what, " ", quote(token.content),
                  " is not among the ", ids.size(), " tokens; name another one in ", config_place,
                  ", or save the tokenizer with a tokenizer.json");
    }
    token.id = id->second;
    if (contents.insert(token.content).second) rules.added_tokens.push_back(token);
    return token;
  };

  // Flags given to a token by its number count before those given by its role.
  if (options.has("added_tokens_decoder")) {
    const Place decoder = options.at("added_tokens_decoder");
    for (const auto& [number, entry] : decoder.object().items()) {
      const Place where = decoder.member(number, entry);
      const AddedToken token = add(read_special_token(where, false), "added token");
      if (number != std::to_string(token.id)) {
        where.refuse(str_cat("the token's id, ", token.id, ", as the key"));
      }
    }
  }
  for (const auto& [role, otherwise] : {std::pair{"unk_token", "[UNK]"},
                                        {"sep_token", "[SEP]"},
                                        {"pad_token", "[PAD]"},
                                        {"cls_token", "[CLS]"},
                                        {"mask_token", "[MASK]"}}) {
    AddedToken token;
    token.content = otherwise;
    if (map.has(role)) {
      token = read_special_token(map.at(role));
    } else if (options.has(role)) {
      token = read_special_token(options.at(role));
    }
    token = add(std::move(token), role);
    if (role == std::string_view("unk_token")) rules.unknown_token = token.content;
    if (role == std::string_view("cls_token")) rules.prefix_ids = {token.id};
    if (role == std::string_view("sep_token")) rules.suffix_ids = {token.id};
  }
  for (const Place* source : {&options, &map}) {
    for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
      if (!source->has(key)) continue;
      const Place list = source->at(key);
      if (!list.value().is_structured()) list.refuse("an array or object of tokens");
      for (const auto& [name, entry] : list.value().items()) {
        add(read_special_token(list.member(name, entry)), "additional special token");
      }
    }
  }
  return rules;
}

}  // namespace attune
