// A value of a parsed tokenizer file and where it stands: every question asked of it fails, as
// Error{kData}, with that place, what was found and what was expected.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/json.h"
#include "data/tokenizers/quote.h"

namespace attune {

inline constexpr std::int32_t kMaxTokenIds = 1 << 24;  // far above any vocabulary; bounds memory

class JsonPlace {
 public:
  // `value` must outlive the place. `where` is the file's path, then keys, as in "f.json: model".
  JsonPlace(const Json& value, std::string where) : value_(value), where_(std::move(where)) {}
  const Json& value() const { return value_; }
  const std::string& where() const { return where_; }

  [[noreturn]] void refuse(const std::string& expected) const {
    std::string found = value_.is_structured() && value_.size() > 8
                            ? str_cat("an ", value_.type_name(), " of ", value_.size(), " entries")
                            : value_.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (found.size() > 60) found = str_cat(value_.type_name(), " ", found.substr(0, 60), "...");
    throw_error(ErrorKind::kData, where_, ": found ", found, ", expected ", expected);
  }
  // Whether the key is there with another value than null. An object is searched from its start:
  // never ask a vocabulary.
  bool has(const char* key) const {
    return value_.is_object() && value_.contains(key) && !value_.at(key).is_null();
  }
  JsonPlace at(const char* key) const {
    const auto found = object().find(key);
    if (found == value_.end()) {
      throw_error(ErrorKind::kData, where_, ": \"", key, "\" is missing");
    }
    return {*found, str_cat(where_, ": ", key)};
  }
  JsonPlace element(std::size_t index) const {
    return {value_.at(index), str_cat(where_, "[", index, "]")};
  }
  JsonPlace member(const std::string& key, const Json& value) const {
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
    if (!is_id(value_)) refuse(str_cat("a token id from 0 to ", kMaxTokenIds - 1));
    return value_.get<std::int32_t>();
  }
  static bool is_id(const Json& value) {
    if (!value.is_number_integer()) return false;
    const auto id = value.get<std::int64_t>();  // 2^63 and above turn negative here
    return id >= 0 && id < kMaxTokenIds;
  }
  // The section must be an object of the one type that is known.
  void require_type(const char* known) const {
    if (!value_.is_object()) refuse(str_cat("an object of type ", known));
    if (const JsonPlace type = at("type"); type.text() != known) type.refuse(known);
  }

 private:
  const Json& value_;
  std::string where_;
};

}  // namespace attune
