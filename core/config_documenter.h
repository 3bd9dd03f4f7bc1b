// The documentation page of a configuration, from the same visit() that reads it: a Markdown table
// with one row a setting. Every section is shown, whether or not a run must name it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config_reader.h"

namespace attune {

class ConfigDocumenter {
 public:
  template <class T>
  void field(const char* key, const T& value, const char* help, const Constraint& constraint = {}) {
    ConfigPrinter printer;
    printer.field(key, value, help, constraint);
    row(key, type_name(value), printer.text(), constraint, help);
  }
  template <class Section>
  void section(const char* key, Section& value, const char* help) {
    const std::string outer = open(key, help);
    value.visit(*this);
    path_ = outer;
  }
  bool has(const char*) const { return true; }
  void mistake(const char*, const std::string&) {}
  void no_effect(const char*, bool, const std::string&) {}
  // The whole table, with its heading.
  std::string text() const;

 private:
  static const char* type_name(bool) { return "true or false"; }
  static const char* type_name(int) { return "whole number"; }
  static const char* type_name(std::int64_t) { return "whole number"; }
  static const char* type_name(std::uint64_t) { return "whole number"; }
  static const char* type_name(double) { return "number"; }
  static const char* type_name(const std::optional<double>&) { return "number or null"; }
  static const char* type_name(const std::string&) { return "string"; }
  static const char* type_name(const std::vector<int>&) { return "list of whole numbers"; }
  static const char* type_name(const std::vector<double>&) { return "list of numbers"; }
  static const char* type_name(const std::vector<std::string>&) { return "list of strings"; }

  void row(const std::string& key, const char* type, std::string printed,
           const Constraint& constraint, const char* help);
  std::string open(const std::string& key, const char* help);  // returns the path before
  std::string path_, rows_;
};

template <class Config>
std::string document_config(Config config = {}) {
  ConfigDocumenter documenter;
  config.visit(documenter);
  return documenter.text();
}

}  // namespace attune
