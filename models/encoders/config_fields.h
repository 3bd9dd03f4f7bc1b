// Reads the fields of a config.json. A field that is absent or null keeps the value it has (the
// family's default). Mistakes are collected, so that a user sees all of them at once.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/json.h"

namespace attune {

class ConfigFields {
 public:
  // `json` must outlive this; `path` is the file, for messages.
  ConfigFields(const Json& json, std::string path) : json_(json), path_(std::move(path)) {}

  void read_int(const char* key, int minimum, int maximum, int& value);
  // From 0 to below `below`.
  void read_number(const char* key, double below, double& value);
  void read_bool(const char* key, bool& value);
  void read_choice(const char* key, std::initializer_list<const char*> known, std::string& value);
  void read_choice(const char* key, const std::vector<const char*>& known, std::string& value);
  // A field that changes what the model computes and that only `supported` is implemented of, as
  // JSON text: "false", "\"absolute\"".
  void only(const char* key, const char* supported);
  // A mistake unless `holds`; the parts are its text, without the file.
  template <class... Parts>
  void expect(bool holds, const Parts&... parts) {
    if (!holds) mistakes_.push_back(str_cat(parts...));
  }

  bool has(const char* key) const { return json_.contains(key) && !json_[key].is_null(); }
  const Json& operator[](const char* key) const { return json_[key]; }
  const std::string& path() const { return path_; }

  // Error{kData} with the file and every mistake. To be called when all is read.
  void finish() const;

 private:
  void refuse(const char* key, const std::string& expected);

  const Json& json_;
  std::string path_;
  std::vector<std::string> mistakes_;
};

}  // namespace attune
