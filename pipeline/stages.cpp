#include "pipeline/stages.h"

#include <set>

#include "core/error.h"
#include "pipeline/check_stage.h"
#include "pipeline/evaluate_stage.h"
#include "pipeline/generate_stage.h"
#include "pipeline/index_stage.h"
#include "pipeline/integrate_stage.h"
#include "pipeline/mine_stage.h"
#include "pipeline/report_stage.h"
#include "pipeline/train_stage.h"

namespace attune {
namespace {

StageForecast forecast(const Stage& stage, const RunConfig& config) {
  const StageInputs inputs = stage.inputs(config);
  const auto last = read_stage_record(config.output, stage.name);
  if (!last) return {stage.name, "runs", "it has not run in " + config.output};
  if (!last->has_inputs(inputs)) return {stage.name, "runs", inputs.changes_since(last->inputs)};
  if (!last->finished) return {stage.name, "runs", "it was begun and not finished: it goes on"};
  if (const std::string damaged = last->damaged_output(config.output); !damaged.empty())
    return {stage.name, "runs", damaged + " is not what it wrote"};
  return {stage.name, "current", "nothing has changed since it ran"};
}

}  // namespace

const std::vector<Stage>& stages() {
  static const std::vector<Stage> table = {
      {"generate",
       "section 'generate'",
       {},
       [](const RunConfig& config) { return config.has_generate; },
       generate_inputs,
       [](const RunConfig& config, const StopRequested& stop) {
         generate_stage(config, stop);
         return std::string();
       }},
      {"check",
       "section 'train'",
       {"generate"},
       [](const RunConfig& config) { return config.has_train; },
       check_inputs,
       [](const RunConfig& config, const StopRequested&) {
         check_stage(config);
         return std::string();
       }},
      {"mine",
       "section 'mine'",
       {"generate"},
       [](const RunConfig& config) { return config.has_mine; },
       mine_inputs,
       [](const RunConfig& config, const StopRequested&) {
         mine_stage(config);
         return std::string();
       }},
      {"train",
       "section 'train'",
       {"generate", "mine"},
       [](const RunConfig& config) { return config.has_train; },
       [](const RunConfig& config) { return train_inputs(with_mined_negatives(config)); },
       [](const RunConfig& config, const StopRequested& stop) {
         train_stage(with_mined_negatives(config), Existing::kUpdate, stop);
         return std::string();
       }},
      {"evaluate",
       "section 'evaluate'",
       {"generate", "train"},
       [](const RunConfig& config) { return config.has_evaluate; },
       evaluate_inputs,
       [](const RunConfig& config, const StopRequested&) { return evaluate_stage(config) + "\n"; }},
      {"index",
       "section 'index'",
       {"generate", "train"},
       [](const RunConfig& config) { return config.has_index && !is_kept_out(config); },
       index_inputs,
       [](const RunConfig& config, const StopRequested& stop) {
         return index_stage(config, stop) + "\n";
       }},
      {"integrate",
       "section 'integrate'",
       {"train", "evaluate"},
       [](const RunConfig& config) { return config.has_integrate; },
       integrate_inputs,
       [](const RunConfig& config, const StopRequested&) {
         return integrate_stage(config) + "\n";
       }},
      {"report",
       "section 'report' or 'evaluate'",
       {"generate", "train", "evaluate"},
       [](const RunConfig& config) {
         return config.has_train && (config.has_report || config.has_evaluate);
       },
       report_inputs,
       [](const RunConfig& config, const StopRequested&) {
         report_stage(config);
         return "report: " + config.output + "/report.html\n\n";
       }},
  };
  return table;
}

std::vector<StageForecast> explain(const RunConfig& config) {
  std::vector<StageForecast> forecasts;
  std::set<std::string> running;
  for (const Stage& stage : stages()) {
    if (!stage.is_wanted(config)) {
      const bool kept_out = stage.name == "index" && config.has_index;
      forecasts.push_back(
          {stage.name, "absent",
           kept_out ? "integrate.if_better keeps the model out" : "there is no " + stage.asked_by});
      continue;
    }
    std::string before;
    for (const std::string& name : stage.inputs_from)
      if (running.contains(name)) before = name;
    forecasts.push_back(before.empty()
                            ? forecast(stage, config)
                            : StageForecast{stage.name, "runs", "because " + before + " runs"});
    if (forecasts.back().status == "runs") running.insert(stage.name);
  }
  return forecasts;
}

}  // namespace attune
