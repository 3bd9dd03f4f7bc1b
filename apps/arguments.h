// The arguments of one command, parsed strictly against its row of the command table.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/command_table.h"

namespace attune {

class Arguments {
 public:
  // `words` come after the command's name. `--name value` and `--name=value`; "--" ends the
  // options. Error{kConfig}: an unknown option (with the nearest), a missing or repeated one, too
  // few or too many positionals.
  Arguments(const Command& command, const std::vector<std::string>& words);

  bool has(const std::string& option) const;
  std::string value(const std::string& option, const std::string& otherwise = "") const;
  std::vector<std::string> values(const std::string& option) const;
  // A whole number of at least `minimum`, else Error{kConfig}.
  int number(const std::string& option, int otherwise, int minimum) const;
  // A finite decimal number, or none where the option is not given; else Error{kConfig}.
  std::optional<double> real(const std::string& option) const;
  const std::vector<std::string>& positionals() const { return positionals_; }

 private:
  struct Given {
    std::string option, value;
  };
  void check_counts(const Command& command) const;
  std::vector<Given> given_;
  std::vector<std::string> positionals_;
};

// "1,3,5": whole numbers of at least 1. Error{kConfig} names `what`.
std::vector<int> parse_list(const std::string& text, const std::string& what);

}  // namespace attune
