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
  if (const std::string damage = stage.damage ? stage.damage(config, *last) : ""; !damage.empty())
    return {stage.name, "runs", damage};
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
       },
       index_damage,
       true},
      {"integrate",
       "section 'integrate'",
       {"train", "evaluate"},
       [](const RunConfig& config) { return config.has_integrate; },
       integrate_inputs,
       [](const RunConfig& config, const StopRequested&) { return integrate_stage(config) + "\n"; },
       integrate_damage},
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
    const bool waits_for_verdict = stage.is_for_better && config.has_integrate &&
                                   config.integrate.if_better && running.contains("evaluate");
    RunConfig assumed = config;
    if (waits_for_verdict) assumed.integrate.if_better = false;
    if (!stage.is_wanted(assumed)) {
      const bool kept_out = stage.name == "index" && config.has_index;
      forecasts.push_back(
          {stage.name, "absent",
           kept_out ? "integrate.if_better keeps the model out" : "there is no " + stage.asked_by});
      continue;
    }
    StageForecast found{stage.name, "runs", "it has not run in " + config.output};
    std::string before;
    for (const std::string& name : stage.inputs_from)
      if (running.contains(name)) before = name;
    if (before.empty())
      found = forecast(stage, config);
    else if (read_stage_record(config.output, stage.name))
      found.reason = "unless " + before + " makes the same again";
    if (waits_for_verdict && found.status == "runs")
      found.reason += ", if the model is better than its base";
    forecasts.push_back(found);
    if (found.status == "runs") running.insert(stage.name);
  }
  return forecasts;
}

}  // namespace attune
