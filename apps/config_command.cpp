#include "apps/config_command.h"

#include "apps/standard_output.h"
#include "core/config_documenter.h"
#include "core/error.h"
#include "pipeline/run_config.h"

namespace attune {

void config_command(const Arguments& arguments) {
  const std::vector<std::string>& words = arguments.positionals();
  if (words[0] != "doc" && words[0] != "check" && words[0] != "print")
    throw_error(ErrorKind::kConfig, "attune config: '", words[0], "' is not one of check, print, doc");
  if (words[0] == "doc") {
    if (words.size() > 1)
      throw_error(ErrorKind::kConfig, "attune config doc: '", words[1], "' is too much; it takes no argument");
    write_stdout(document_config<RunConfig>());
    return;
  }
  if (words.size() < 2) throw_error(ErrorKind::kConfig, "attune config ", words[0], ": which CONFIG?");
  const std::vector<std::string> overrides(words.begin() + 2, words.end());
  const RunConfig config = load_run_config(words[1], overrides);
  write_stdout(words[0] == "check" ? words[1] + ": fine\n" : print_config(config));
}

}  // namespace attune
