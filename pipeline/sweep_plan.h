// What `attune sweep CONFIG key=a,b ...` is to run: every combination of the values that keys are
// given, each read and checked before the first one runs. No torch here: like load_run_config, this
// is the program's part of the work.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/run_config.h"

namespace attune {

struct SweepRun {
  std::string name;  // of its folder below the sweep's: "type-linear_learning_rate-3e-4"
  std::vector<std::pair<std::string, std::string>> settings;  // the swept keys, as they were given
  RunConfig config;                                           // output: OUTPUT/NAME
};

struct SweepPlan {
  std::string config_path, output;
  std::vector<std::string> fixed;     // overrides with one value, the same in every run
  std::vector<SweepRun> runs;         // the last key changes fastest
  std::vector<std::string> warnings;  // of any run's configuration, each once
};

// The values of "1e-4,3e-4" or "[1,5],[1,10]": commas separate outside brackets, braces and quotes.
std::vector<std::string> split_values(const std::string& text);

// `overrides`: "key=a,b" is swept, "key=a" holds in every run (also a list, "key=[1, 2]", and a
// text with commas in quotes). Error{kConfig}: nothing to sweep, a value left out, two equal
// combinations, more than 1000 of them, no validation set, a key that decides what is measured
// instead of what is trained, or a mistake in a combination's configuration.
SweepPlan plan_sweep(const std::string& path, std::span<const std::string> overrides);

}  // namespace attune
