// A configuration as ConfigPrinter prints it (core/config_reader.h), taken apart again: for telling
// what was set and in what two runs differ, where no YAML reader is (docs/build.md, hazard 13).
#pragma once

#include <string>
#include <vector>

namespace attune {

struct Setting {
  std::string key;    // "train.loss.type"
  std::string value;  // as printed: "mnrl", "[1, 3, 5]", "\"\""
  bool operator==(const Setting&) const = default;
};

// In the order of the text; comments and empty lines are passed over. Error{kData} with
// `place`:line for what the printer does not print.
std::vector<Setting> parse_printed_config(const std::string& text, const std::string& place);

// Those of `settings` that `others` has not, or has another value of.
std::vector<Setting> settings_beyond(const std::vector<Setting>& settings,
                                     const std::vector<Setting>& others);

// "" where there is no such key.
std::string value_of(const std::vector<Setting>& settings, const std::string& key);

// A value without the printer's quotes, where it is one text: what it says.
std::string unquoted(const std::string& value);

// The texts of a list, "[a, \"b, c\"]"; of one value alone that one; of "\"\"", "[]" and "" none.
std::vector<std::string> list_items(const std::string& value);

}  // namespace attune
