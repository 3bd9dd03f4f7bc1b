#include "pipeline/check_stage.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include "core/durable.h"
#include "core/error.h"
#include "core/log.h"
#include "data/dataset_check.h"
#include "data/dataset_formats.h"
#include "pipeline/evaluate_stage.h"
#include "pipeline/generate_stage.h"

namespace attune {
namespace {

constexpr const char* kStage = "check";
constexpr const char* kVersion = "1";  // of what the stage does with equal inputs

struct DataSet {
  std::string name, path;    // "data.test", where it is
  bool is_measured = false;  // validation or test
};

// Each file once, with the setting that names it.
std::vector<DataSet> sets_of(const RunConfig& config) {
  const DataPaths data = data_paths(config);
  std::vector<DataSet> sets;
  const auto add = [&](const std::string& name, const std::string& path, bool is_measured) {
    const bool is_there =
        std::any_of(sets.begin(), sets.end(), [&](const DataSet& set) { return set.path == path; });
    if (!path.empty() && !is_there) sets.push_back({name, path, is_measured});
  };
  for (std::size_t i = 0; i < data.train.size(); ++i)
    add(data.train.size() == 1 ? "data.train" : str_cat("data.train[", i, "]"), data.train[i],
        false);
  add("data.validation", data.validation, true);
  if (config.has_evaluate) add("data.test", data.test, true);
  return sets;
}

// Of two ascending lists without repetitions.
std::int64_t count_shared(const std::vector<std::uint64_t>& a,
                          const std::vector<std::uint64_t>& b) {
  std::vector<std::uint64_t> shared;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(shared));
  return std::ssize(shared);
}

// Every two sets that have queries or passages in common; warns where one of them is trained on
// and the other measured.
Json find_shared(const std::vector<DataSet>& sets, const std::vector<DatasetSummary>& summaries) {
  Json found = Json::array();
  for (std::size_t i = 0; i < sets.size(); ++i)
    for (std::size_t j = i + 1; j < sets.size(); ++j) {
      const std::int64_t queries = count_shared(summaries[i].queries, summaries[j].queries),
                         passages = count_shared(summaries[i].passages, summaries[j].passages);
      if (queries + passages > 0)
        found.push_back({{"first", sets[i].path},
                         {"second", sets[j].path},
                         {"queries", queries},
                         {"passages", passages}});
      if (queries > 0 && !sets[i].is_measured && sets[j].is_measured)
        log_warning(str_cat("check: ", queries, " queries of ", sets[j].path, " stand in ",
                            sets[i].path,
                            " too, which is trained on: what is measured on them is "
                            "too good (`attune data check` names them)"));
    }
  return found;
}

}  // namespace

StageInputs check_inputs(const RunConfig& config) {
  StageInputs inputs;
  inputs.settings["what 'check' does"] = kVersion;
  for (const DataSet& set : sets_of(config))
    inputs.files[set.name] = fingerprint_dataset_files(set.path);
  return inputs;
}

void check_stage(const RunConfig& config) {
  StageRecord record(kStage);
  record.inputs = check_inputs(config);
  if (current_stage_record(config.output, kStage, record.inputs)) return;
  if (config.has_evaluate) load_test_set(config);
  const std::vector<DataSet> sets = sets_of(config);
  std::vector<DatasetSummary> summaries;
  Json found = {{"data_sets", Json::array()}};
  for (const DataSet& set : sets) {
    const DatasetSummary& summary = summaries.emplace_back(summarize_dataset(set.path));
    found["data_sets"].push_back(summary.to_json());
    if (summary.rows.refused > 0)
      log_warning(str_cat("check: ", set.path, ": ", summary.rows.refused, " refused, the first: ",
                          summary.refusals.front(), " (`attune data check` names all)"));
  }
  found["shared"] = find_shared(sets, summaries);
  write_file_durably(config.output + "/data.json", found.dump(2) + "\n");
  record.add_output(config.output, "data.json");
  record.finish(config.output);
}

}  // namespace attune
