#include "data/tokenizers/sentencepiece_files.h"

#include <array>
#include <filesystem>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/file.h"
#include "data/tokenizers/json_place.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFileBytes = std::size_t{256} << 20;
constexpr std::int32_t kMaxExtraIds = 10000;

constexpr const char* kRemedy = ", or save the tokenizer with a tokenizer.json, which attune reads";

enum class Family { kXlmRoberta, kGemma, kLlama, kT5 };

struct Name {
  const char* tokenizer_class;  // or the same with Fast behind it
  const char* model_type;       // of config.json
  Family family;
};
constexpr std::array kNames = {
    Name{"XLMRobertaTokenizer", "xlm-roberta", Family::kXlmRoberta},
    Name{"GemmaTokenizer", "gemma", Family::kGemma},
    Name{"GemmaTokenizer", "gemma2", Family::kGemma},
    Name{"GemmaTokenizer", "gemma3_text", Family::kGemma},
    Name{"LlamaTokenizer", "llama", Family::kLlama},
    Name{"T5Tokenizer", "t5", Family::kT5},
};

Family family_of(const JsonPlace& options, const JsonPlace& config) {
  options.object();
  constexpr const char* kKnown =
      "XLMRobertaTokenizer, GemmaTokenizer, LlamaTokenizer or T5Tokenizer";
  if (options.has("tokenizer_class")) {
    const JsonPlace type = options.at("tokenizer_class");
    for (const Name& name : kNames) {
      if (type.text() == name.tokenizer_class ||
          type.text() == str_cat(name.tokenizer_class, "Fast")) {
        return name.family;
      }
    }
    type.refuse(str_cat(kKnown, kRemedy));
  }
  if (config.has("model_type")) {
    const JsonPlace type = config.at("model_type");
    for (const Name& name : kNames) {
      if (type.text() == name.model_type) return name.family;
    }
    type.refuse(
        str_cat("xlm-roberta, gemma, gemma2, gemma3_text, llama or t5; name the tokenizer's ",
                "class in ", options.where(), kRemedy));
  }
  throw_error(ErrorKind::kData, options.where(), ": \"tokenizer_class\" is missing, and so is \"",
              "model_type\" of config.json; the ids of a .model depend on it: name ", kKnown,
              kRemedy);
}

// Special tokens by their role, and what transformers calls them where no file does.
using Roles = std::vector<std::pair<const char*, const char*>>;

const Roles& roles_of(Family family) {
  static const Roles kXlmRoberta = {
      {"bos_token", "<s>"},   {"eos_token", "</s>"},  {"sep_token", "</s>"},   {"cls_token", "<s>"},
      {"unk_token", "<unk>"}, {"pad_token", "<pad>"}, {"mask_token", "<mask>"}};
  static const Roles kGemma = {{"bos_token", "<bos>"}, {"eos_token", "<eos>"},
                               {"unk_token", "<unk>"}, {"pad_token", "<pad>"},
                               {"sep_token", ""},      {"cls_token", ""},
                               {"mask_token", ""}};
  static const Roles kLlama = {{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"},
                               {"pad_token", ""},    {"sep_token", ""},     {"cls_token", ""},
                               {"mask_token", ""}};
  static const Roles kT5 = {{"bos_token", ""},      {"eos_token", "</s>"}, {"unk_token", "<unk>"},
                            {"pad_token", "<pad>"}, {"sep_token", ""},     {"cls_token", ""},
                            {"mask_token", ""}};
  switch (family) {
    case Family::kXlmRoberta:
      return kXlmRoberta;
    case Family::kGemma:
      return kGemma;
    case Family::kLlama:
      return kLlama;
    case Family::kT5:
      break;
  }
  return kT5;
}

AddedToken read_token(const JsonPlace& entry) {
  AddedToken token;
  if (!entry.value().is_object()) {
    token.content = entry.text();
  } else {
    token.content = entry.at("content").text();
    token.single_word = entry.boolean_or("single_word", false);
    token.lstrip = entry.boolean_or("lstrip", false);
    token.rstrip = entry.boolean_or("rstrip", false);
  }
  if (token.content.empty()) entry.refuse("a token that is not empty");
  return token;
}

class Reader {
 public:
  Reader(const SentencePieceModel& model, const SentencePieceOptions& options,
         const std::string& place, const std::string& directory)
      : model_(model),
        place_(place),
        options_(options.tokenizer_config.is_null() ? kEmpty : options.tokenizer_config,
                 in(directory, "tokenizer_config.json")),
        map_(is_old(options) ? options.special_tokens_map : kEmpty,
             in(directory, "special_tokens_map.json")),
        added_(is_old(options) && !options.added_tokens.is_null() ? options.added_tokens : kEmpty,
               in(directory, "added_tokens.json")),
        family_(family_of(options_, JsonPlace(options.config, in(directory, "config.json")))) {
    for (const JsonPlace* file : {&options_, &map_, &added_}) file->object();
  }

  SentencePieceRules read() {
    refuse_what_is_not_done();
    number_pieces();
    read_numbered_tokens();
    read_roles();
    read_additional_tokens();
    read_template();
    return std::move(rules_);
  }

 private:
  static std::string in(const std::string& directory, const char* name) {
    return (fs::path(directory) / name).string();
  }
  // The map and added_tokens.json hold unless the configuration is of a newer transformers.
  static bool is_old(const SentencePieceOptions& options) {
    return !options.special_tokens_map.is_null() || !options.added_tokens.is_null()
               ? !(options.tokenizer_config.is_object() &&
                   options.tokenizer_config.contains("added_tokens_decoder"))
               : false;
  }

  void refuse_what_is_not_done() const {
    if (!options_.boolean_or("legacy", true)) {
      options_.at("legacy").refuse(str_cat("true (attune cuts what follows a special token as ",
                                           "sentencepiece does)", kRemedy));
    }
    if (options_.has("add_prefix_space") && !options_.at("add_prefix_space").boolean()) {
      options_.at("add_prefix_space")
          .refuse(str_cat("true (what stands before a text is the .model's to say)", kRemedy));
    }
    if (options_.boolean_or("do_lower_case", false)) {
      options_.at("do_lower_case").refuse(str_cat("false", kRemedy));
    }
    if (options_.has("sp_model_kwargs") && !options_.at("sp_model_kwargs").object().empty()) {
      options_.at("sp_model_kwargs").refuse("{} (attune does not draw pieces at random)");
    }
    if (options_.has("truncation_side") && options_.at("truncation_side").text() != "right") {
      options_.at("truncation_side").refuse(str_cat("\"right\"", kRemedy));
    }
  }

  void add_id(const std::string& token, std::int32_t id) {
    ids_.emplace(token, id);
    taken_.insert(id);
  }

  void number_pieces() {
    const std::int32_t size = model_.size();
    rules_.ids.resize(static_cast<std::size_t>(size));
    if (family_ == Family::kXlmRoberta) {
      constexpr std::array kFirst = {"<unk>", "<s>", "</s>"};
      for (std::int32_t p = 0; p < 3; ++p) {
        const char* expected = kFirst[static_cast<std::size_t>(p)];
        if (size <= p || model_.piece(p) != expected) {
          throw_error(ErrorKind::kData, place_, ": piece ", p, " is ",
                      size <= p ? "missing" : quote(model_.piece(p)), ", expected ", expected,
                      ", as XLM-R's ids ask for; is this the .model of another tokenizer?");
        }
      }
      const std::array ids = {3, 0, 2};  // of <unk>, <s> and </s>
      for (std::int32_t p = 0; p < size; ++p) {
        rules_.ids[static_cast<std::size_t>(p)] = p < 3 ? ids[static_cast<std::size_t>(p)] : p + 1;
      }
      add_id("<pad>", 1);
      // Behind the pieces; the names first, as a piece of the name <mask> would be another token.
      add_id("<mask>", size + 1);
    } else {
      for (std::int32_t p = 0; p < size; ++p) rules_.ids[static_cast<std::size_t>(p)] = p;
    }
    for (std::int32_t p = 0; p < size; ++p) {
      add_id(model_.piece(p), rules_.ids[static_cast<std::size_t>(p)]);
    }
    if (family_ == Family::kT5) {
      const std::int32_t count = options_.has("extra_ids") ? options_.at("extra_ids").id() : 100;
      if (count > kMaxExtraIds) {
        options_.at("extra_ids").refuse(str_cat("at most ", kMaxExtraIds));
      }
      for (std::int32_t i = 0; i < count; ++i) {
        add_id(str_cat("<extra_id_", i, ">"), size + count - 1 - i);
        extra_tokens_.push_back(str_cat("<extra_id_", i, ">"));
      }
    }
  }

  // A token that has an id, found in texts as it stands. Who comes first decides its flags.
  std::int32_t add(AddedToken token, const JsonPlace& where) {
    const auto found = ids_.find(token.content);
    if (found == ids_.end()) {
      where.refuse(str_cat("one of the ", ids_.size(), " tokens of ", place_, kRemedy));
    }
    token.id = found->second;
    if (contents_.insert(token.content).second) rules_.added_tokens.push_back(token);
    return token.id;
  }

  void add_numbered(AddedToken token, std::int32_t id, const JsonPlace& where) {
    const auto found = ids_.find(token.content);
    if (found != ids_.end() && found->second != id) {
      where.refuse(str_cat("id ", found->second, ", which ", quote(token.content), " has"));
    }
    if (found == ids_.end()) {
      if (taken_.count(id) != 0) where.refuse(str_cat("an id that no other token has"));
      add_id(token.content, id);
    }
    add(std::move(token), where);
  }

  void read_numbered_tokens() {
    if (options_.has("added_tokens_decoder")) {
      const JsonPlace decoder = options_.at("added_tokens_decoder");
      for (const auto& [number, entry] : decoder.object().items()) {
        const JsonPlace where = decoder.member(number, entry);
        const Json parsed = parse_number(number);
        if (!JsonPlace::is_id(parsed)) where.refuse("a token id as the key");
        add_numbered(read_token(where), parsed.get<std::int32_t>(), where);
      }
    }
    for (const auto& [content, id] : added_.value().items()) {
      const JsonPlace where = added_.member(content, id);
      AddedToken token;
      token.content = content;
      if (content.empty()) where.refuse("a token that is not empty");
      add_numbered(std::move(token), where.id(), where);
    }
  }
  static Json parse_number(const std::string& text) {
    const bool digits = !text.empty() && text.size() < 10 &&
                        text.find_first_not_of("0123456789") == std::string::npos;
    return digits && (text == "0" || text[0] != '0') ? Json(std::stoi(text)) : Json(nullptr);
  }

  void read_roles() {
    for (const auto& [role, otherwise] : roles_of(family_)) {
      const JsonPlace& source = map_.has(role) ? map_ : options_;
      if (source.has(role)) {
        const JsonPlace where = source.at(role);
        role_ids_[role] = add(read_token(where), where);
      } else if (*otherwise != '\0' && !source.value().contains(role)) {
        AddedToken token;
        token.content = otherwise;
        const Json name = otherwise;
        const JsonPlace where(name, str_cat(options_.where(), ": ", role, " is missing"));
        role_ids_[role] = add(std::move(token), where);
      }
    }
  }

  void read_additional_tokens() {
    for (const JsonPlace* source : {&options_, &map_}) {
      for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
        if (!source->has(key)) continue;
        const JsonPlace list = source->at(key);
        if (!list.value().is_structured()) list.refuse("an array or object of tokens");
        for (const auto& [name, entry] : list.value().items()) {
          const JsonPlace where = list.member(name, entry);
          add(read_token(where), where);
        }
      }
    }
    for (const std::string& content : extra_tokens_) {
      AddedToken token;
      token.content = content;
      add(std::move(token), options_);
    }
  }

  std::int32_t role(const char* name, const char* why) const {
    const auto found = role_ids_.find(name);
    if (found == role_ids_.end()) {
      throw_error(ErrorKind::kData, options_.where(), ": ", name, " is null, and ", why,
                  ": name a token of ", place_);
    }
    return found->second;
  }

  void read_template() {
    switch (family_) {
      case Family::kXlmRoberta: {
        constexpr const char* kWhy = "every text of XLM-R is put between two tokens";
        for (const auto& [one, other] :
             {std::pair{"bos_token", "cls_token"}, {"eos_token", "sep_token"}}) {
          if (role(one, kWhy) != role(other, kWhy)) {
            throw_error(ErrorKind::kData, options_.where(), ": ", one, " and ", other,
                        " are two tokens, of which transformers 5 uses the first and transformers ",
                        "4 the second; give one token both roles", kRemedy);
          }
        }
        rules_.prefix_ids = {role("bos_token", kWhy)};
        rules_.suffix_ids = {role("eos_token", kWhy)};
        break;
      }
      case Family::kGemma:
      case Family::kLlama:
        if (!options_.has("add_bos_token")) {
          throw_error(ErrorKind::kData, options_.where(), ": \"add_bos_token\" is missing, which ",
                      "transformers 4 takes for true and transformers 5 for false; say which",
                      kRemedy);
        }
        if (options_.at("add_bos_token").boolean()) {
          rules_.prefix_ids = {role("bos_token", "add_bos_token is true")};
        }
        if (options_.boolean_or("add_eos_token", false)) {
          rules_.suffix_ids = {role("eos_token", "add_eos_token is true")};
        }
        break;
      case Family::kT5:
        rules_.suffix_ids = {role("eos_token", "every text of T5 ends in one")};
        break;
    }
  }

  inline static const Json kEmpty = Json::object();

  const SentencePieceModel& model_;
  const std::string& place_;
  JsonPlace options_, map_, added_;
  Family family_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::unordered_set<std::int32_t> taken_;
  std::unordered_map<std::string, std::int32_t> role_ids_;
  std::unordered_set<std::string> contents_;
  std::vector<std::string> extra_tokens_;
  SentencePieceRules rules_;
};

}  // namespace

std::string sentencepiece_file(const std::string& model_directory) {
  std::string found;
  for (const char* name : {"sentencepiece.bpe.model", "spiece.model", "tokenizer.model"}) {
    const std::string path = (fs::path(model_directory) / name).string();
    if (!file_exists(path)) continue;
    if (!found.empty()) {
      throw_error(ErrorKind::kData, model_directory, ": found both ", found, " and ", path,
                  ", and no tokenizer.json; take away the one that is another model's");
    }
    found = path;
  }
  return found;
}

SentencePieceRules read_sentencepiece_rules(const SentencePieceModel& model,
                                            const SentencePieceOptions& options,
                                            const std::string& place,
                                            const std::string& model_directory) {
  return Reader(model, options, place, model_directory).read();
}

std::unique_ptr<Tokenizer> load_sentencepiece(const std::string& place,
                                              const std::string& model_directory) {
  const auto read = [&](const char* name) {
    const std::string path = (fs::path(model_directory) / name).string();
    return file_exists(path) ? read_json_file(path, kMaxFileBytes) : Json(nullptr);
  };
  const std::string bytes = read_file(place, kMaxFileBytes);
  SentencePieceModel model(bytes, place);
  SentencePieceRules rules =
      read_sentencepiece_rules(model,
                               {read("tokenizer_config.json"), read("special_tokens_map.json"),
                                read("added_tokens.json"), read("config.json")},
                               place, model_directory);
  return std::make_unique<SentencePieceTokenizer>(std::move(model), bytes, std::move(rules), place);
}

}  // namespace attune
