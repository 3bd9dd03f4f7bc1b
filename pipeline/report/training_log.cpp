#include "pipeline/report/training_log.h"

#include <cmath>
#include <string_view>

#include "core/error.h"
#include "core/json.h"
#include "data/lines.h"

namespace attune {
namespace {

void add_event(const Json& json, TrainingLog& log) {
  const auto event = json.at("event").get<std::string>();
  const auto step = json.at("step").get<std::int64_t>();
  const auto number = [&](const char* key) { return json.at(key).get<double>(); };
  const auto count = [&](const char* key) { return json.at(key).get<std::int64_t>(); };
  if (event == "step") {
    log.steps.push_back({step, number("loss"), number("learning_rate"), number("grad_norm"),
                         number("seconds"), count("pairs"), count("tokens")});
  } else if (event == "evaluate") {
    LoggedValidation validation{step, {}, json.at("best").get<bool>(), number("seconds")};
    for (const auto& [name, value] : json.at("metrics").items())
      validation.metrics.emplace_back(name, value.get<double>());
    log.validations.push_back(std::move(validation));
  } else if (event == "nonfinite") {
    log.nonfinite.push_back(step);
    if (json.value("action", "") == "raise") log.diverged_at = step;
  } else if (event == "skipped") {
    log.skipped.push_back(step);
  }
}

}  // namespace

double LoggedValidation::metric(const std::string& name) const {
  for (const auto& [known, value] : metrics)
    if (known == name) return value;
  return NAN;
}

TrainingLog read_training_log(const std::string& path) {
  TrainingLog log;
  LineReader lines(path);
  for (std::string_view line; lines.next(line);) {
    if (lines.line_end().empty()) break;  // of a process that was killed
    const std::string place = str_cat(path, ":", lines.line_number());
    try {
      add_event(parse_json(line, place), log);
    } catch (const Json::exception& error) {
      throw_error(ErrorKind::kData, place, ": ", error.what(),
                  "; expected an event of a training (docs/formats.md)");
    }
  }
  return log;
}

}  // namespace attune
