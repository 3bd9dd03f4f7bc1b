#include "data/tokenizers/added_token_files.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace attune {
namespace {

AddedToken read_added_token(const JsonPlace& entry) {
  AddedToken token;
  token.content = entry.at("content").text();
  token.single_word = entry.at("single_word").boolean();
  token.lstrip = entry.at("lstrip").boolean();
  token.rstrip = entry.at("rstrip").boolean();
  token.normalized = entry.at("normalized").boolean();
  entry.at("special").boolean();
  return token;
}

}  // namespace

std::vector<AddedToken> read_added_tokens(const JsonPlace& section, const VocabularyView& model) {
  std::vector<AddedToken> tokens;
  if (section.value().is_null()) return tokens;
  std::unordered_set<std::string> contents;
  std::int32_t next = model.num_tokens;
  for (std::size_t i = 0; i < section.array().size(); ++i) {
    const JsonPlace entry = section.element(i);
    AddedToken token = read_added_token(entry);
    const std::int32_t id = entry.at("id").id();
    if (token.content.empty()) continue;
    if (!contents.insert(token.content).second) {
      entry.refuse("every added token once; this content was there before");
    }
    token.id = model.id_of(token.content);
    if (token.id < 0) {
      token.id = next;
      if (model.has_id(next)) {
        throw_error(ErrorKind::kData, section.where(), ": added token ", quote(token.content),
                    " would get id ", next,
                    ", which is another token's, because the vocabulary's ids have gaps");
      }
    }
    next = std::max(next, token.id + 1);
    if (token.id != id) {
      entry.at("id").refuse(str_cat("id ", token.id, ", which follows from the vocabulary for ",
                                    quote(token.content)));
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

std::vector<AddedToken> tokens_to_match(const std::vector<AddedToken>& tokens, bool normalized,
                                        const std::function<std::string(std::string)>& normalize,
                                        const std::string& place) {
  std::vector<AddedToken> found;
  std::unordered_set<std::string> contents;
  for (AddedToken token : tokens) {
    if (token.normalized != normalized) continue;
    const std::string name = token.content;
    if (normalized) token.content = normalize(name);
    if (token.content.empty()) {
      throw_error(ErrorKind::kData, place, ": added token ", token.id, " (", quote(name),
                  ") is empty, so it would match everywhere; remove it from added_tokens");
    }
    if (!contents.insert(token.content).second) {
      throw_error(ErrorKind::kData, place, ": added token ", token.id, " (", quote(name),
                  ") matches the same text as another one; remove one of the two");
    }
    found.push_back(std::move(token));
  }
  return found;
}

}  // namespace attune
