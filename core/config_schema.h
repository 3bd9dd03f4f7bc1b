// The JSON Schema (draft 2020-12) of a configuration, from the same visit() that reads it: for
// editors, which complete and check keys as they are typed. It knows types, ranges, choices,
// required and unknown keys; rules over several settings are the reader's alone (`attune config
// check`). A string may be written as a number or as true, as the reader takes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "core/config_reader.h"
#include "core/json.h"

namespace attune {

class ConfigSchema {
 public:
  template <class T>
  void field(const char* key, const T& value, const char* help, const Constraint& constraint = {}) {
    add(key, schema_of(value, constraint), value_of(value), help, constraint.required);
  }
  template <class Section>
  void section(const char* key, Section& value, const char* help) {
    ConfigSchema inner;
    value.visit(inner);
    add_section(key, inner, help);
  }
  bool has(const char*) const { return true; }
  void mistake(const char*, const std::string&) {}
  void no_effect(const char*, bool, const std::string&) {}
  // An object that has these properties and no others.
  Json object() const;

 private:
  static Json schema_of(bool, const Constraint& constraint);
  static Json schema_of(int, const Constraint& constraint);
  static Json schema_of(std::int64_t, const Constraint& constraint);
  static Json schema_of(std::uint64_t, const Constraint& constraint);
  static Json schema_of(double, const Constraint& constraint);
  static Json schema_of(const std::optional<double>&, const Constraint& constraint);
  static Json schema_of(const std::string&, const Constraint& constraint);
  template <class T>
  static Json schema_of(const std::vector<T>&, const Constraint& constraint) {
    return list_of(schema_of(T(), constraint), constraint);
  }
  static Json list_of(Json element, const Constraint& constraint);
  template <class T>
  static Json value_of(const T& value) {
    return value;
  }
  static Json value_of(const std::optional<double>& value) {
    return value ? Json(*value) : Json(nullptr);
  }

  void add(const char* key, Json schema, const Json& value, const char* help, bool required);
  void add_section(const char* key, const ConfigSchema& inner, const char* help);
  Json properties_ = Json::object(), required_ = Json::array();
};

template <class Config>
Json config_schema(const std::string& title, Config config = {}) {
  ConfigSchema schema;
  config.visit(schema);
  Json root = {{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", title}};
  root.update(schema.object());
  return root;
}

}  // namespace attune
