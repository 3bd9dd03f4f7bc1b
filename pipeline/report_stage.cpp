#include "pipeline/report_stage.h"

#include <chrono>
#include <filesystem>

#include "core/error.h"
#include "core/log.h"
#include "pipeline/report/report.h"
#include "pipeline/stage_record.h"

namespace attune {
namespace {

constexpr const char* kVersion = "report 1";  // of what the stage does with equal inputs

// The data sets count through the keys of the stages that read them.
Fingerprint stage_key(const RunConfig& config) {
  Json key = {kVersion, config.report.examples};
  for (const char* name : {"config.yaml", "metrics.jsonl", "evaluation.queries.jsonl",
                           "stages/generate.json", "stages/train.json", "stages/evaluate.json"}) {
    const std::string path = config.output + "/" + name;
    std::error_code ignored;
    key.push_back(std::filesystem::is_regular_file(path, ignored) ? sha256_file(path) : "");
  }
  return sha256(key.dump());
}

}  // namespace

void report_stage(const RunConfig& config) {
  const auto started = std::chrono::steady_clock::now();
  StageRecord record;
  record.stage = "report";
  record.key = stage_key(config);
  if (const auto last = read_stage_record(config.output, record.stage);
      last && last->is_current(config.output, record.key)) {
    log_info("report: unchanged, not written again");
    return;
  }
  write_report(make_report({config.output}, config.report.examples),
               config.output + "/report.html");
  record.add_output(config.output, "report.html");
  record.finished = true;
  record.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  write_stage_record(config.output, record);
}

}  // namespace attune
