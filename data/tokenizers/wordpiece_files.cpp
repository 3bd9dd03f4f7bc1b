#include "data/tokenizers/wordpiece_files.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/file.h"
#include "data/tokenizers/added_token_files.h"
#include "data/tokenizers/characters.h"
#include "data/tokenizers/json_place.h"
#include "data/tokenizers/post_processor.h"
#include "data/tokenizers/quote.h"

namespace attune {
namespace {

void read_model(const JsonPlace& section, BertWordPieceRules& rules) {
  if (section.has("type") || !section.value().is_object()) section.require_type("WordPiece");
  rules.unknown_token = section.at("unk_token").text();
  rules.continuation = section.at("continuing_subword_prefix").text();
  const JsonPlace longest = section.at("max_input_chars_per_word");
  if (!longest.value().is_number_unsigned()) longest.refuse("a whole number of characters");
  rules.max_characters_per_word = longest.value().get<std::uint64_t>();
  const JsonPlace vocabulary = section.at("vocab");
  rules.vocabulary.reserve(vocabulary.object().size());
  for (const auto& [token, id] : vocabulary.object().items()) {
    if (!JsonPlace::is_id(id)) vocabulary.member(token, id).id();  // makes the message
    rules.vocabulary.emplace_back(token, id.get<std::int32_t>());
  }
}

void read_added(const JsonPlace& section, BertWordPieceRules& rules) {
  const std::unordered_map<std::string, std::int32_t> ids(rules.vocabulary.begin(),
                                                          rules.vocabulary.end());
  std::unordered_set<std::int32_t> taken;
  for (const auto& [token, id] : rules.vocabulary) taken.insert(id);
  const auto id_of = [&ids](const std::string& token) {
    const auto found = ids.find(token);
    return found == ids.end() ? -1 : found->second;
  };
  rules.added_tokens =
      read_added_tokens(section, {id_of, [&taken](std::int32_t id) { return taken.count(id) != 0; },
                                  static_cast<std::int32_t>(ids.size())});
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
    if (id == kMaxTokenIds)
      throw_error(ErrorKind::kData, place, ": more than ", kMaxTokenIds, " lines");
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
AddedToken read_special_token(const JsonPlace& entry, bool special = true) {
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
  const JsonPlace root(file, place);
  if (root.object().contains("version") && root.at("version").text() != "1.0") {
    root.at("version").refuse("\"1.0\"");
  }
  BertWordPieceRules rules;
  read_model(root.at("model"), rules);
  rules.normalizer = read_bert_normalizer(root.at("normalizer"));
  root.at("pre_tokenizer").require_type("BertPreTokenizer");
  const JsonPlace post_processor = root.at("post_processor");
  if (post_processor.value().is_null()) post_processor.refuse("BERT's special tokens");
  SpecialIds special = read_post_processor(post_processor);
  rules.prefix_ids = std::move(special.prefix);
  rules.suffix_ids = std::move(special.suffix);
  if (root.has("added_tokens")) read_added(root.at("added_tokens"), rules);
  return rules;
}

BertWordPieceRules read_vocabulary_txt(std::string_view vocabulary, const std::string& place,
                                       const Json& config, const std::string& config_place,
                                       const Json& special_tokens_map) {
  const Json empty = Json::object();
  const JsonPlace options(config.is_null() ? empty : config, config_place);
  // The map is of transformers before 4.34; it holds unless the configuration is of a newer one.
  const bool old = !options.has("added_tokens_decoder") && !special_tokens_map.is_null();
  const JsonPlace map(old ? special_tokens_map : empty, "special_tokens_map.json");
  options.object();
  map.object();
  if (options.has("tokenizer_class")) {
    constexpr std::array kKnown = {"BertTokenizer",           "BertTokenizerFast",
                                   "DistilBertTokenizer",     "DistilBertTokenizerFast",
                                   "ElectraTokenizer",        "ElectraTokenizerFast",
                                   "PreTrainedTokenizerFast", "TokenizersBackend"};
    const JsonPlace type = options.at("tokenizer_class");
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
    const JsonPlace decoder = options.at("added_tokens_decoder");
    for (const auto& [number, entry] : decoder.object().items()) {
      const JsonPlace where = decoder.member(number, entry);
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
  for (const JsonPlace* source : {&options, &map}) {
    for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
      if (!source->has(key)) continue;
      const JsonPlace list = source->at(key);
      if (!list.value().is_structured()) list.refuse("an array or object of tokens");
      for (const auto& [name, entry] : list.value().items()) {
        add(read_special_token(list.member(name, entry)), "additional special token");
      }
    }
  }
  return rules;
}

}  // namespace attune
