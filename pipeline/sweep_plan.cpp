#include "pipeline/sweep_plan.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "core/error.h"
#include "core/hash.h"

namespace attune {
namespace {

constexpr std::size_t kMostRuns = 1000, kLongestName = 120;

struct SweptKey {
  std::string key;
  std::vector<std::string> values;
};

// Everything else is the same in all runs, or they could not be compared.
void check_sweepable(const std::string& key) {
  for (const char* section : {"train.", "adapter.", "model."})
    if (key.starts_with(section) && key != "adapter.vectors") return;
  if (key == "seed" || key == "data.train") return;
  throw_error(ErrorKind::kConfig, "attune sweep: '", key,
              "' cannot have several values: what is swept is what is trained (train.*, adapter.*, "
              "model.*, data.train, seed), all measured on one validation set");
}

// "learning_rate" of "train.learning_rate", where no other swept key ends alike.
std::string short_key(const std::string& key, const std::vector<SweptKey>& all) {
  const auto last = [](const std::string& k) { return k.substr(k.rfind('.') + 1); };
  const auto same = std::count_if(all.begin(), all.end(),
                                  [&](const SweptKey& k) { return last(k.key) == last(key); });
  return same == 1 ? last(key) : key;
}

std::string plain(std::string text) {
  for (char& c : text)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-') c = '_';
  return text;
}

std::string listed(const SweepRun& run) {
  std::string text;
  for (const auto& [key, value] : run.settings)
    text += (text.empty() ? "" : " ") + key + "=" + value;
  return text;
}

// Values that were changed or cut to be a file's name may look alike: those get a fingerprint.
std::string run_name(const SweepRun& run, const std::vector<SweptKey>& keys) {
  std::string name;
  bool is_exact = true;
  for (const auto& [key, value] : run.settings) {
    name += (name.empty() ? "" : "_") + plain(short_key(key, keys)) + "-" + plain(value);
    is_exact = is_exact && plain(value) == value;
  }
  if (is_exact && name.size() <= kLongestName) return name;
  return name.substr(0, kLongestName) + "-" + sha256(listed(run)).substr(0, 8);
}

}  // namespace

std::vector<std::string> split_values(const std::string& text) {
  std::vector<std::string> values(1);
  int depth = 0;
  char quote = 0;
  for (const char c : text) {
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if ((c == '"' || c == '\'') && values.back().empty()) {
      quote = c;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      --depth;
    } else if (c == ',' && depth <= 0) {
      values.emplace_back();
      continue;
    }
    values.back() += c;
  }
  return values;
}

SweepPlan plan_sweep(const std::string& path, std::span<const std::string> overrides) {
  SweepPlan plan;
  plan.config_path = path;
  std::vector<SweptKey> keys;
  std::size_t count = 1;
  for (const std::string& text : overrides) {
    const std::size_t equals = std::min(text.find('='), text.size());
    std::vector<std::string> values =
        split_values(equals < text.size() ? text.substr(equals + 1) : "");
    if (values.size() == 1) {
      plan.fixed.push_back(text);
      continue;
    }
    SweptKey swept{text.substr(0, equals), std::move(values)};
    check_sweepable(swept.key);
    for (const SweptKey& other : keys)
      if (other.key == swept.key)
        throw_error(ErrorKind::kConfig, "attune sweep: '", swept.key,
                    "' is swept twice; give all its values at once");
    if (std::count(swept.values.begin(), swept.values.end(), "") > 0)
      throw_error(ErrorKind::kConfig, "attune sweep: '", text,
                  "': a value is left out; \"\" is an empty text");
    count *= swept.values.size();
    if (count > kMostRuns)
      throw_error(ErrorKind::kConfig, "attune sweep: more than ", kMostRuns,
                  " combinations; sweep fewer values at once");
    keys.push_back(std::move(swept));
  }
  if (keys.empty())
    throw_error(ErrorKind::kConfig,
                "attune sweep: no key has several values: give for example "
                "train.learning_rate=1e-4,3e-4");

  std::map<std::string, std::string> seen;  // resolved configuration -> what was given
  std::set<std::string> names;
  for (std::size_t i = 0; i < count; ++i) {
    SweepRun run;
    std::vector<std::string> all = plan.fixed;
    std::size_t rest = count, place = i;
    for (const SweptKey& swept : keys) {
      rest /= swept.values.size();
      const std::string& value = swept.values[place / rest];
      place %= rest;
      run.settings.emplace_back(swept.key, value);
      all.push_back(swept.key + "=" + value);
    }
    try {
      ConfigNotes notes;
      run.config = load_run_config(path, all, &notes);
      for (const std::string& warning : notes.warnings)
        if (std::find(plan.warnings.begin(), plan.warnings.end(), warning) == plan.warnings.end())
          plan.warnings.push_back(warning);
    } catch (const Error& error) {
      throw Error(error.kind(), str_cat("attune sweep: with ", listed(run), ":\n", error.what()));
    }
    if (!run.config.has_train)
      throw_error(ErrorKind::kConfig, path, ": there is no section 'train': nothing to sweep");
    if (run.config.data.validation.empty() && !run.config.has_generate)
      throw_error(ErrorKind::kConfig, path,
                  ": a sweep ranks its runs by a validation set, and there is none: give "
                  "data.validation");
    const auto [equal, is_new] = seen.emplace(print_config(run.config), listed(run));
    if (!is_new)
      throw_error(ErrorKind::kConfig, "attune sweep: ", listed(run), " and ", equal->second,
                  " are the same configuration");
    run.name = run_name(run, keys);
    if (!names.insert(run.name).second) run.name += "-" + sha256(listed(run)).substr(0, 8);
    plan.output = run.config.output;
    run.config.output += "/" + run.name;
    if (run.config.train.mode == "adapter" && run.config.adapter.vectors.empty())
      run.config.adapter.vectors = plan.output + "/vectors";
    plan.runs.push_back(std::move(run));
  }
  return plan;
}

}  // namespace attune
