#include "pipeline/report_stage.h"

#include "core/file.h"
#include "core/hash.h"
#include "core/log.h"
#include "pipeline/report/report.h"
#include "pipeline/stage_record.h"

namespace attune {

StageInputs report_inputs(const RunConfig& config) {
  StageInputs inputs;
  inputs.settings = settings_of(config.report, "report");
  inputs.settings["what 'report' does"] = "1";
  inputs.files["config.yaml"] = sha256(print_config(config));
  for (const char* name : {"metrics.jsonl", "evaluation.queries.jsonl", "stages/generate.json",
                           "stages/train.json", "stages/evaluate.json"}) {
    const std::string path = config.output + "/" + name;
    inputs.files[name] = file_exists(path) ? sha256_file(path) : "";
  }
  return inputs;
}

void report_stage(const RunConfig& config) {
  StageRecord record("report");
  record.inputs = report_inputs(config);
  if (current_stage_record(config.output, record.stage, record.inputs)) {
    log_info("report: unchanged, not written again");
    return;
  }
  write_report(make_report({config.output}, config.report.examples),
               config.output + "/report.html");
  record.add_output(config.output, "report.html");
  record.finish(config.output);
}

}  // namespace attune
