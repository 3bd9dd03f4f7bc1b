#include "apps/resume_command.h"

#include <string_view>

#include "core/shell_word.h"

namespace attune {
std::string resume_command(int argc, const char* const* argv) {
  const bool trains = std::string_view(argv[1]) == "train";
  std::string command = shell_word(argv[0]) + " " + argv[1] + (trains ? " --resume" : "");
  for (int i = 2; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word != "--resume" && word != "--overwrite") command += " " + shell_word(word);
  }
  return command;
}

}  // namespace attune
