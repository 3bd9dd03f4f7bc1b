// The third step of a tokenizer.json: one piece of text to ids of the vocabulary. Equal to
// `tokenizers` 0.23's model of the same name. A new one is a file pair and a row of the list in
// token_model.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace attune {

class JsonPlace;  // json_place.h

class TokenModel {  // immutable and thread-safe
 public:
  virtual ~TokenModel() = default;
  // Appends the ids of a piece, which is UTF-8 and not empty. A piece that is none of the
  // vocabulary's where it has no unknown token is an Error{kData}, as it is one in the peer.
  virtual void append(std::string_view piece, std::vector<std::int32_t>& out) const = 0;

  // The vocabulary, as added tokens ask for it.
  virtual std::int32_t id_of(std::string_view token) const = 0;  // -1: none
  virtual bool has_id(std::int32_t id) const = 0;
  virtual std::int32_t num_tokens() const = 0;  // how many, not the highest id + 1
  virtual std::int32_t id_limit() const = 0;    // the highest id + 1
};

// The section "model" of tokenizer.json. An unknown type is an Error{kData} that names it and the
// known ones.
std::unique_ptr<TokenModel> make_token_model(const JsonPlace& section);

}  // namespace attune
