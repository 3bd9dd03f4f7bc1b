#include "apps/report_command.h"

#include "apps/standard_output.h"
#include "core/error.h"
#include "pipeline/report/report.h"
#include "retrieval/gate.h"
#include "retrieval/query_results.h"

namespace attune {
namespace {

// Of every run: its finetuned model.
void check_runs(const std::vector<std::string>& texts, const std::vector<std::string>& runs) {
  for (const std::string& run : runs) {
    const QueryResults results = read_query_results(run + "/evaluation.queries.jsonl");
    const int finetuned = results.find_system("finetuned");
    if (finetuned < 0)
      throw_error(ErrorKind::kData, run, "/evaluation.queries.jsonl: no 'finetuned' was measured");
    check_gates(parse_gates(texts, results.k), results.metrics(finetuned), run);
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
