#include "apps/resume_command.h"

#include <string_view>

namespace attune {
namespace {

std::string quoted(std::string_view word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./=:,@%+-";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos)
    return std::string(word);
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

}  // namespace

std::string resume_command(int argc, const char* const* argv) {
  const bool trains = std::string_view(argv[1]) == "train";
  std::string command = quoted(argv[0]) + " " + argv[1] + (trains ? " --resume" : "");
  for (int i = 2; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word != "--resume" && word != "--overwrite") command += " " + quoted(word);
  }
  return command;
}

}  // namespace attune
