// Strict configuration from YAML. A component declares its settings once, beside the class that
// uses them:
//
//   struct TrainConfig {
//     int epochs = 2;
//     template <class Fields> void visit(Fields& f) {
//       f.field("epochs", epochs, "passes over the pairs", at_least(1));
//       f.section("loss", loss, "the training objective");
//     }
//   };
//
// From that one list come parsing, printing, the documentation page and the JSON Schema. Every
// mistake of a file is collected and thrown together as Error{kConfig}, each as
//   run.yaml:12:5: unknown key 'learing_rate' in 'train' (did you mean 'learning_rate'?)
// What contradicts itself is refused; what merely changes nothing (no_effect) is told as a warning.
// Overrides come after the file's lines. A section that the file does not give keeps its defaults;
// one that is given without a value ("generate:") is an empty mapping, and a string without a value
// is empty. Scalars are parsed here, not by yaml-cpp: decimal numbers only (010 and 0x10 are
// refused), true and false only, whole text consumed. Duplicate keys, merge keys (<<), several
// documents, nesting deeper than 32, more than 10,000 nodes after aliases and files over 1 MiB are
// refused.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace attune {

// What a value must satisfy; of a list, every element. `describe` says it for the documentation.
struct Constraint {
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  bool minimum_is_open = false;        // value > minimum rather than >=
  std::vector<std::string> choices{};  // strings only; empty: anything
  bool required = false;               // the key must be given
  bool not_empty = false;              // strings and lists
  bool or_one = false;                 // lists: one value alone is a list of one, none is empty
};
Constraint at_least(double minimum);
Constraint above(double minimum);
Constraint between(double minimum, double maximum);
Constraint one_of(std::vector<std::string> choices);
Constraint required();
Constraint not_empty();
Constraint list_or_one();
std::string describe(const Constraint& constraint);  // "required, between 0 and 1"; "" for anything

// One value of the file with its place, and one thing that is wrong (core/config_node.h, private).
class ConfigNode;
struct ConfigMistake;

// Reads the fields of one mapping; passed to visit().
class ConfigReader {
 public:
  // bool, int, std::int64_t, std::uint64_t, double, std::optional<double> (null: none),
  // std::string, and std::vector of int, double and std::string.
  template <class T>
  void field(const char* key, T& value, const char* help, const Constraint& constraint = {}) {
    const T before = value;
    read(key, value, help, constraint);
    if (!(value == before)) note_change(key);
  }
  template <class Section>
  void section(const char* key, Section& value, const char* /*help*/) {
    ConfigReader inner = enter(key);
    value.visit(inner);
    inner.finish();
  }
  // Whether the file gives this key at all (a stage runs only when it is named). The key is not
  // read by this: one that has() finds and visit() then leaves alone is an unknown key.
  bool has(const char* key) const;
  // A mistake found by a rule over several fields, placed at `key`, which may lead into a section
  // ("train.loss.scale"), as far as the file gives it.
  void mistake(const char* key, const std::string& message);
  // A setting that changes nothing `if_so`: a warning at `key`, as above, where the file or an
  // override gives it another value than the default (of a section: any). After the fields.
  void no_effect(const char* key, bool if_so, const std::string& why);

 private:
  friend class ConfigDocument;
  explicit ConfigReader(std::shared_ptr<ConfigNode> node);
  void read(const char* key, bool& value, const char* help, const Constraint& constraint);
  void read(const char* key, int& value, const char* help, const Constraint& constraint);
  void read(const char* key, std::int64_t& value, const char* help, const Constraint& constraint);
  void read(const char* key, std::uint64_t& value, const char* help, const Constraint& constraint);
  void read(const char* key, double& value, const char* help, const Constraint& constraint);
  void read(const char* key, std::optional<double>& value, const char* help,
            const Constraint& constraint);
  void read(const char* key, std::string& value, const char* help, const Constraint& constraint);
  void read(const char* key, std::vector<int>& value, const char* help,
            const Constraint& constraint);
  void read(const char* key, std::vector<double>& value, const char* help,
            const Constraint& constraint);
  void read(const char* key, std::vector<std::string>& value, const char* help,
            const Constraint& constraint);
  void note_change(const char* key);
  ConfigReader enter(const char* key);
  void finish();  // reports unknown keys
  std::shared_ptr<ConfigNode> node_;
};

// Where each setting that was given comes from: "train.epochs" -> "run.yaml:12" or "override".
using ConfigOrigins = std::map<std::string, std::string>;

// A parsed file with its overrides (`section.key=value`, reported as `override
// 'section.key=value'`).
class ConfigDocument {
 public:
  static ConfigDocument load(const std::string& path, std::span<const std::string> overrides = {});
  static ConfigDocument parse(const std::string& text, const std::string& place,
                              std::span<const std::string> overrides = {});
  // Fills `config`; throws every mistake at once.
  template <class Config>
  void read(Config& config) {
    ConfigReader reader = root();
    config.visit(reader);
    close(reader);
  }
  // Of the last read(): "run.yaml:12:5: 'train.patience' has no effect: ..."
  std::vector<std::string> warnings() const;
  ConfigOrigins origins() const;

 private:
  ConfigReader root();
  void close(ConfigReader& reader);
  std::shared_ptr<ConfigNode> root_;
  std::shared_ptr<std::vector<ConfigMistake>> structural_;  // found before any field was read
};

// Prints the resolved values as YAML that the reader reads back to equal values.
class ConfigPrinter {
 public:
  struct Line {
    int depth = 0;
    std::string path, key, value;  // "train.epochs", "epochs", "2"; a section has no value
  };
  template <class T>
  void field(const char* key, const T& value, const char* /*help*/, const Constraint& c = {}) {
    if constexpr (std::is_same_v<T, std::vector<std::string>>)
      if (c.or_one && value.size() < 2) return print(key, value.empty() ? std::string() : value[0]);
    print(key, value);
  }
  template <class Section>
  void section(const char* key, Section& value, const char* /*help*/) {
    open(key);
    value.visit(*this);
    close();
  }
  bool has(const char*) const { return false; }  // a section that was not given is not printed
  void mistake(const char*, const std::string&) {}
  void no_effect(const char*, bool, const std::string&) {}
  const std::vector<Line>& lines() const { return lines_; }
  std::string text() const;

 private:
  void print(const char* key, bool value);
  void print(const char* key, int value) { print(key, static_cast<std::int64_t>(value)); }
  void print(const char* key, std::int64_t value);
  void print(const char* key, std::uint64_t value);
  void print(const char* key, double value);
  void print(const char* key, const std::optional<double>& value);
  void print(const char* key, const std::string& value);
  void print(const char* key, const std::vector<int>& value);
  void print(const char* key, const std::vector<double>& value);
  void print(const char* key, const std::vector<std::string>& value);
  void open(const char* key);
  void close();
  void line(const char* key, const std::string& value);
  std::vector<Line> lines_;
  std::vector<std::string> sections_;  // that are open, by their paths
};

template <class Config>
std::string print_config(Config config) {
  ConfigPrinter printer;
  config.visit(printer);
  return printer.text();
}

// The same with a comment behind each value: where it comes from, or "default".
std::string print_with_origins(const ConfigPrinter& printer, const ConfigOrigins& origins);

// Each value by its path below `section`, as it is printed: what a configuration is compared by.
template <class Config>
std::map<std::string, std::string> settings_of(Config config, const std::string& section) {
  ConfigPrinter printer;
  config.visit(printer);
  std::map<std::string, std::string> settings;
  for (const ConfigPrinter::Line& line : printer.lines())
    if (!line.value.empty())
      settings[section.empty() ? line.path : section + "." + line.path] = line.value;
  return settings;
}

// The nearest of `known` within edit distance 2 or as a prefix, for "did you mean".
std::optional<std::string> nearest(const std::string& word, std::span<const std::string> known);

}  // namespace attune
