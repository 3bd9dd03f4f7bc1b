#include "apps/group_help.h"

#include "apps/command_table.h"
#include "apps/padded.h"
#include "core/error.h"

namespace attune {
namespace {

std::string commands_of(const std::string& group) {
  std::string text;
  for (const Command& command : commands())
    if (command.name.starts_with(group + " "))
      text += "  " + padded(command.name, 16) + command.summary + "\n";
  if (text.empty()) return "";
  return str_cat("usage: attune ", group, " COMMAND ...\n\n", text, "\n`attune help ", group,
                 " COMMAND` tells more.\n");
}

}  // namespace

std::string group_help(const std::vector<std::string>& words) {
  const bool by_help = words[0] == "help" && words.size() == 2;
  const std::string help = commands_of(by_help ? words[1] : words[0]);
  if (help.empty()) return "";
  if (words.size() == 1)
    throw_error(ErrorKind::kConfig, "attune ", words[0], ": which of its commands?\n\n", help);
  return by_help || words[1] == "--help" || words[1] == "-h" ? help : "";
}

}  // namespace attune
