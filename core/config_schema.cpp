#include "core/config_schema.h"

#include <cmath>
#include <utility>

namespace attune {
namespace {

// Whole numbers without ".0".
Json bound(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e15) return static_cast<std::int64_t>(value);
  return value;
}

Json numbers(const char* type, const Constraint& constraint) {
  Json schema = {{"type", type}};
  if (std::isfinite(constraint.minimum))
    schema[constraint.minimum_is_open ? "exclusiveMinimum" : "minimum"] = bound(constraint.minimum);
  if (std::isfinite(constraint.maximum)) schema["maximum"] = bound(constraint.maximum);
  return schema;
}

Json with_null(Json schema) {
  schema["type"] = {schema["type"], "null"};
  return schema;
}

}  // namespace

Json ConfigSchema::schema_of(bool, const Constraint&) { return {{"type", "boolean"}}; }
Json ConfigSchema::schema_of(int, const Constraint& constraint) {
  return numbers("integer", constraint);
}
Json ConfigSchema::schema_of(std::int64_t, const Constraint& constraint) {
  return numbers("integer", constraint);
}
Json ConfigSchema::schema_of(std::uint64_t, const Constraint& constraint) {
  Json schema = numbers("integer", constraint);
  if (!schema.contains("minimum")) schema["minimum"] = 0;
  return schema;
}
Json ConfigSchema::schema_of(double, const Constraint& constraint) {
  return numbers("number", constraint);
}
Json ConfigSchema::schema_of(const std::optional<double>&, const Constraint& constraint) {
  return with_null(numbers("number", constraint));
}
Json ConfigSchema::schema_of(const std::string&, const Constraint& constraint) {
  if (!constraint.choices.empty()) return {{"enum", constraint.choices}};
  if (constraint.not_empty) return {{"type", {"string", "number", "boolean"}}, {"minLength", 1}};
  return {{"type", {"string", "number", "boolean", "null"}}};
}

Json ConfigSchema::list_of(Json element, const Constraint& constraint) {
  Json item = element;  // in a list a string that is left out is none
  if (item.contains("type") && item["type"].is_array()) {
    Json types = Json::array();
    for (const Json& type : item["type"])
      if (type != "null") types.push_back(type);
    item["type"] = types;
  }
  Json list = {{"type", "array"}, {"items", std::move(item)}};
  if (constraint.not_empty) list["minItems"] = 1;
  if (!constraint.or_one) return list;
  return {{"anyOf", {std::move(list), std::move(element)}}};
}

void ConfigSchema::add(const char* key, Json schema, const Json& value, const char* help,
                       bool required) {
  schema["description"] = help;
  if (required)
    required_.push_back(key);
  else
    schema["default"] = value;
  properties_[key] = std::move(schema);
}

void ConfigSchema::add_section(const char* key, const ConfigSchema& inner, const char* help) {
  Json schema = inner.object();
  // "train:" without anything below is every default.
  if (inner.required_.empty()) schema = with_null(std::move(schema));
  schema["description"] = help;
  properties_[key] = std::move(schema);
}

Json ConfigSchema::object() const {
  Json schema = {{"type", "object"}, {"properties", properties_}, {"additionalProperties", false}};
  if (!required_.empty()) schema["required"] = required_;
  return schema;
}

}  // namespace attune
