#include "apps/config_command.h"

#include "apps/standard_output.h"
#include "core/config_documenter.h"
#include "core/error.h"
#include "pipeline/run_config.h"

namespace attune {
namespace {

const std::string kDocumentation = R"(# Configuration

The YAML file that `attune run` and `attune train` read; this page is what `attune config doc` prints. A stage runs when its
section is there (`documents` with `generate`, `train`, `evaluate`); a section that is left out keeps its defaults. Data sets
that `data` names come before generated ones. Relative paths are relative to the directory in which attune is started.

Every setting can be changed on the command line: `attune run my.yaml train.epochs=3`. Unknown and repeated keys are refused, numbers
are decimal, and true and false are written so; `attune config check my.yaml` names every mistake of a file at once.

)";

}  // namespace

void config_command(const Arguments& arguments) {
  const std::vector<std::string>& words = arguments.positionals();
  if (words[0] != "doc" && words[0] != "check" && words[0] != "print")
    throw_error(ErrorKind::kConfig, "attune config: '", words[0],
                "' is not one of check, print, doc");
  if (words[0] == "doc") {
    if (words.size() > 1)
      throw_error(ErrorKind::kConfig, "attune config doc: '", words[1],
                  "' is too much; it takes no argument");
    write_stdout(kDocumentation + document_config<RunConfig>());
    return;
  }
  if (words.size() < 2)
    throw_error(ErrorKind::kConfig, "attune config ", words[0], ": which CONFIG?");
  const std::vector<std::string> overrides(words.begin() + 2, words.end());
  const RunConfig config = load_run_config(words[1], overrides);
  write_stdout(words[0] == "check" ? words[1] + ": fine\n" : print_config(config));
}

}  // namespace attune
