// What `attune` can do: from this one table come the help texts, the strict parsing of arguments,
// the completions of shells and the manual page.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

struct Option {
  std::string name;   // "--model"
  std::string value;  // name of its value in the help; empty: a switch
  std::string help;
  bool is_required = false;
  bool is_repeatable = false;
  std::vector<std::string> choices{};  // for completion; empty: any value
  std::string letter{};                // "-q"
};

// Who answers: the small program, without torch, or libattune. A first positional CONFIG is read by
// the program in any case.
struct Command {
  std::string name;         // one word, or two: "data split"
  std::string positionals;  // for the help: "CONFIG [section.key=value ...]"
  std::string summary;
  std::size_t min_positionals = 0, max_positionals = 0;
  enum class Answer {
    kProgram,
    kLibrary,
    kLibraryWithConfig,
    kLibraryWithSweep,
    kLibraryWithDoctor
  } answer = Answer::kLibrary;
  std::vector<Option> options;
  std::vector<std::string> examples;
  std::vector<std::string> verbs{};  // what the first positional must be; empty: anything
  std::size_t words() const { return name.find(' ') == std::string::npos ? 1 : 2; }
};

const std::vector<Command>& commands();
const std::vector<Option>& common_options();   // of every command, "--help" among them
std::string invocation(const Option& option);  // "-q, --quiet", "--model M"
std::string usage(const Command& command);     // "attune embed --model M [--base M] ..."

// The command that begins `words`, of which there is one at least. Throws Error{kConfig} with the
// nearest name for one that is not there.
const Command& find_command(std::span<const std::string> words);

std::string overview();                            // `attune --help`
std::string command_help(const Command& command);  // `attune COMMAND --help`

}  // namespace attune
