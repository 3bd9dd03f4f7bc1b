#include "apps/report_command.h"

#include "apps/standard_output.h"
#include "core/error.h"
#include "pipeline/report/recorded_run.h"
#include "pipeline/report/report.h"
#include "retrieval/gate.h"

namespace attune {
namespace {

// Of every run: the finetuned model that is there, not an earlier one that was measured.
void check_runs(const std::vector<std::string>& texts,
                const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) {
    const RecordedRun run = read_run(directory, /*with_texts=*/false);
    const int finetuned = run.results ? run.results->find_system("finetuned") : -1;
    if (finetuned < 0) {
      std::string why = directory + ": --fail-under finds no measurement of its model.";
      for (const std::string& missing : run.missing) why += " " + missing;
      throw Error(ErrorKind::kData, why);
    }
    check_gates(parse_gates(texts, run.results->k), run.results->metrics(finetuned), directory);
  }
}

}  // namespace

void report_command(const Arguments& arguments) {
  const std::vector<std::string>& runs = arguments.positionals();
  const std::string output =
      arguments.value("--output", runs.size() == 1 ? runs[0] + "/report.html" : "");
  if (output.empty())
    throw_error(ErrorKind::kConfig,
                "attune report: say with --output FILE.html where the comparison goes");
  write_report(make_report(runs, arguments.number("--examples", 10, 0)), output);
  write_stdout(output + "\n");
  if (const auto gates = arguments.values("--fail-under"); !gates.empty()) check_runs(gates, runs);
}

}  // namespace attune
