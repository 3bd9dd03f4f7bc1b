#include "apps/bench_command.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "apps/standard_output.h"
#include "core/error.h"
#include "core/json.h"
#include "core/log.h"

namespace attune {
namespace {

constexpr int kResamples = 4000;

// attune's time over the peer's in the same round: what a busy or faster machine cancels out of.
using Ratios = std::vector<double>;

double median(Ratios values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

struct Measurement {
  std::string name;
  Ratios ratios;
};

struct Report {
  Json facts;
  std::vector<Measurement> measurements;
};

std::vector<double> seconds(const Json& measurement, const char* key, const std::string& place) {
  const Json values = measurement.value(key, Json());
  std::vector<double> numbers;
  for (const Json& value : values.is_array() ? values : Json::array())
    if (value.is_number() && value.get<double>() > 0) numbers.push_back(value.get<double>());
  if (!values.is_array() || numbers.size() != values.size() || numbers.empty())
    throw_error(ErrorKind::kData, place, ": \"", key, "\" must be a list of seconds above 0");
  return numbers;
}

Report read_report(const std::string& path) {
  const Json json = read_json_file(path);
  if (!json.is_object() || json.value("format", Json()) != "attune-benchmark-1" ||
      !json.contains("measurements") || !json["measurements"].is_array())
    throw_error(ErrorKind::kData, path,
                ": not a benchmark report (\"format\": \"attune-benchmark-1\" with "
                "\"measurements\")");
  Report report{json.value("facts", Json::object()), {}};
  for (const Json& entry : json["measurements"]) {
    if (!entry.is_object() || !entry.value("name", Json()).is_string())
      throw_error(ErrorKind::kData, path, ": a measurement has no name");
    Measurement measurement{entry["name"].get<std::string>(), {}};
    const std::string place = str_cat(path, ": measurement '", measurement.name, "'");
    const std::vector<double> ours = seconds(entry, "attune", place),
                              peer = seconds(entry, "peer", place);
    if (ours.size() != peer.size())
      throw_error(ErrorKind::kData, place, " has ", ours.size(), " rounds of attune and ",
                  peer.size(), " of the peer");
    for (std::size_t i = 0; i < ours.size(); ++i) measurement.ratios.push_back(ours[i] / peer[i]);
    report.measurements.push_back(std::move(measurement));
  }
  return report;
}

struct Change {
  double change, low, high;  // of the median ratio, 0.05 is 5 % slower; 95 % interval
};

// Percentile bootstrap over the rounds of each report.
Change compare(const Ratios& before, const Ratios& after) {
  std::mt19937 random(1);
  const auto resampled = [&](const Ratios& values) {
    std::uniform_int_distribution<std::size_t> pick(0, values.size() - 1);
    Ratios drawn;
    for (std::size_t i = 0; i < values.size(); ++i) drawn.push_back(values[pick(random)]);
    return median(std::move(drawn));
  };
  std::vector<double> changes;
  for (int i = 0; i < kResamples; ++i) {
    const double base = resampled(before);
    changes.push_back(resampled(after) / base - 1);
  }
  std::sort(changes.begin(), changes.end());
  return {median(after) / median(before) - 1, changes[kResamples / 40],
          changes[kResamples - 1 - kResamples / 40]};
}

const Measurement* find(const Report& report, const std::string& name) {
  for (const Measurement& measurement : report.measurements)
    if (measurement.name == name) return &measurement;
  return nullptr;
}

void warn_of_differences(const Report& before, const Report& after) {
  for (const auto& [key, value] : before.facts.items())
    if (key != "date" && key != "commit" && key != "load before" && after.facts.contains(key) &&
        after.facts[key] != value)
      log_warning(str_cat(key, " differs: ", value.dump(), " and ", after.facts[key].dump()));
  for (const Measurement& measurement : before.measurements)
    if (!find(after, measurement.name))
      log_warning(str_cat("only in the first report: ", measurement.name));
  for (const Measurement& measurement : after.measurements)
    if (!find(before, measurement.name))
      log_warning(str_cat("only in the second report: ", measurement.name));
}

std::string verdict(const Change& c, double limit) {
  if (c.low > 0 && c.change > limit) return "slower";
  if (c.high < 0 && c.change < -limit) return "faster";
  if ((c.high - c.low) / 2 > limit) return "not known: the noise is above the limit";
  return "the same within the limit";
}

}  // namespace

void bench_command(const Arguments& arguments) {
  const std::vector<std::string>& words = arguments.positionals();
  const double limit = arguments.number("--limit", 5, 1) / 100.0;
  const Report before = read_report(words[1]), after = read_report(words[2]);
  warn_of_differences(before, after);

  std::string table, slower;
  std::size_t width = 0;
  for (const Measurement& m : before.measurements) width = std::max(width, m.name.size());
  for (const Measurement& m : before.measurements) {
    const Measurement* other = find(after, m.name);
    if (!other) continue;
    const Change c = compare(m.ratios, other->ratios);
    const std::string said = verdict(c, limit);
    char numbers[128];
    std::snprintf(numbers, sizeof numbers, "  %.3f -> %.3f  %+6.1f %% (%+.1f to %+.1f)  ",
                  median(m.ratios), median(other->ratios), 100 * c.change, 100 * c.low,
                  100 * c.high);
    table += m.name + std::string(width - m.name.size(), ' ') + numbers + said + "\n";
    if (said == "slower") slower += (slower.empty() ? "" : ", ") + m.name;
  }
  if (table.empty())
    throw_error(ErrorKind::kData, words[1], " and ", words[2], " have no measurement in common");
  write_stdout(
      str_cat("attune's time over the peer's of the same round, medians; change with its 95 % "
              "interval over the rounds; limit ",
              static_cast<int>(std::lround(limit * 100)), " %\n", table));
  if (!slower.empty()) throw_error(ErrorKind::kFailed, "slower: ", slower);
}

}  // namespace attune
