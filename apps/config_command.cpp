#include "apps/config_command.h"

#include "apps/standard_output.h"
#include "core/config_documenter.h"
#include "core/config_schema.h"
#include "core/error.h"
#include "core/log.h"
#include "pipeline/run_config.h"

namespace attune {
namespace {

const std::string kDocumentation = R"(# Configuration

The YAML file that `attune run` and `attune train` read; this page is what `attune config doc` prints. A stage runs when its
section is there (`documents` with `generate`, `mine`, `train`, `evaluate`); a section that is left out keeps its defaults. Data sets
that `data` names come before generated ones. Relative paths are relative to the directory in which attune is started.

Every setting can be changed on the command line: `attune run my.yaml train.epochs=3`. Unknown and repeated keys are refused, numbers
are decimal, and true and false are written so; `attune config check my.yaml` names every mistake of a file at once, and warns of
settings that change nothing. `attune config print my.yaml` shows every value and where it comes from. Editors that know JSON
Schema take [configuration.schema.json](configuration.schema.json), which `attune config schema` prints.

)";

}  // namespace

void config_command(const Arguments& arguments) {
  const std::vector<std::string>& words = arguments.positionals();
  const std::string& verb = words[0];
  if (verb == "doc" || verb == "schema") {
    if (words.size() > 1)
      throw_error(ErrorKind::kConfig, "attune config ", verb, ": '", words[1],
                  "' is too much; it takes no argument");
    return write_stdout(verb == "doc" ? kDocumentation + document_config<RunConfig>()
                                      : config_schema<RunConfig>("attune").dump(2) + "\n");
  }
  if (words.size() < 2) throw_error(ErrorKind::kConfig, "attune config ", verb, ": which CONFIG?");
  const std::vector<std::string> overrides(words.begin() + 2, words.end());
  ConfigNotes notes;
  RunConfig config = load_run_config(words[1], overrides, &notes);
  for (const std::string& warning : notes.warnings) log_warning(warning);
  if (verb == "check") return write_stdout(words[1] + ": fine\n");
  ConfigPrinter printer;
  config.visit(printer);
  write_stdout(print_with_origins(printer, notes.origins));
}

}  // namespace attune
