#include "pipeline/stage_record.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "core/durable.h"
#include "core/error.h"
#include "core/log.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

std::string record_path(const std::string& run_directory, const std::string& stage) {
  return run_directory + "/stages/" + stage + ".json";
}

StageRecord parse_record(const Json& json) {
  StageRecord record(json.at("stage").get<std::string>());
  const Json& inputs = json.at("inputs");
  for (const auto& [name, value] : inputs.at("settings").items())
    record.inputs.settings[name] = value.get<std::string>();
  for (const auto& [name, fingerprint] : inputs.at("files").items())
    record.inputs.files[name] = fingerprint.get<std::string>();
  record.finished = json.at("finished").get<bool>();
  record.seconds = json.at("seconds").get<double>();
  for (const auto& [path, fingerprint] : json.at("outputs").items())
    record.outputs[path] = fingerprint.get<std::string>();
  record.result = json.at("result");
  if (!record.result.is_object()) throw_error(ErrorKind::kData, "\"result\" is no object");
  return record;
}

template <class Tell>
void compare(const std::map<std::string, std::string>& before,
             const std::map<std::string, std::string>& now, const Tell& tell) {
  for (const auto& [name, value] : now) {
    const auto old = before.find(name);
    if (old == before.end())
      tell(name, nullptr, &value);
    else if (old->second != value)
      tell(name, &old->second, &value);
  }
  for (const auto& [name, value] : before)
    if (!now.contains(name)) tell(name, &value, nullptr);
}

}  // namespace

Fingerprint StageInputs::key() const {
  Sha256 hash;
  const auto feed = [&](const std::map<std::string, std::string>& values) {
    hash.update(str_cat(values.size(), ";"));
    for (const auto& [name, value] : values)
      hash.update(str_cat(name.size(), ":", name, value.size(), ":", value));
  };
  feed(settings);
  feed(files);
  return hash.hex();
}

std::string StageInputs::changes_since(const StageInputs& before) const {
  std::vector<std::string> found;
  compare(before.settings, settings,
          [&](const std::string& name, const std::string* old, const std::string* now) {
            found.push_back(str_cat(name, " ", old == nullptr ? "not given" : *old, " -> ",
                                    now == nullptr ? "not given" : *now));
          });
  compare(before.files, files,
          [&](const std::string& name, const std::string* old, const std::string* now) {
            const bool is_new = old == nullptr || old->empty(),
                       is_gone = now == nullptr || now->empty();
            found.push_back(name + (is_new ? " is new" : is_gone ? " is gone" : " changed"));
          });
  constexpr std::size_t kShown = 3;
  std::string text;
  for (std::size_t n = 0; n < std::min(kShown, found.size()); ++n)
    text += (n > 0 ? ", " : "") + found[n];
  return found.size() > kShown ? str_cat(text, " and ", found.size() - kShown, " more") : text;
}

void StageRecord::add_output(const std::string& run_directory, const std::string& path) {
  outputs[path] = sha256_file(run_directory + "/" + path);
}

std::string StageRecord::damaged_output(const std::string& run_directory) const {
  for (const auto& [path, fingerprint] : outputs) {
    const std::string file = run_directory + "/" + path;
    std::error_code ignored;
    if (!fs::is_regular_file(file, ignored) || sha256_file(file) != fingerprint) return path;
  }
  return "";
}

bool StageRecord::is_current(const std::string& run_directory, const StageInputs& wanted) const {
  if (!finished || !has_inputs(wanted)) return false;
  const std::string damaged = damaged_output(run_directory);
  if (!damaged.empty())
    log_info(str_cat(run_directory, "/", damaged, " is not what '", stage,
                     "' wrote: the stage runs again"));
  return damaged.empty();
}

void StageRecord::finish(const std::string& run_directory) {
  finished = true;
  seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
  write_stage_record(run_directory, *this);
}

std::optional<StageRecord> current_stage_record(const std::string& run_directory,
                                                const std::string& stage,
                                                const StageInputs& wanted) {
  auto last = read_stage_record(run_directory, stage);
  if (last && last->is_current(run_directory, wanted)) return last;
  if (last && !last->has_inputs(wanted))
    log_info(str_cat(stage, ": runs again: ", wanted.changes_since(last->inputs)));
  return std::nullopt;
}

std::optional<StageRecord> read_stage_record(const std::string& run_directory,
                                             const std::string& stage) {
  const std::string path = record_path(run_directory, stage);
  remove_stale_temporaries(path);
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  try {
    return parse_record(read_json_file(path, std::size_t{16} << 20));
  } catch (const Json::exception& error) {
    log_warning(str_cat(path, " is not understood (", error.what(), "): the stage runs again"));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kData) throw;
    log_warning(str_cat(error.what(), ": the stage runs again"));
  }
  return std::nullopt;
}

void write_stage_record(const std::string& run_directory, const StageRecord& record) {
  Json json;
  json["stage"] = record.stage;
  json["key"] = record.inputs.key();
  json["inputs"]["settings"] = record.inputs.settings;
  json["inputs"]["files"] = record.inputs.files;
  json["finished"] = record.finished;
  json["seconds"] = record.seconds;
  json["outputs"] = Json::object();
  for (const auto& [path, fingerprint] : record.outputs) json["outputs"][path] = fingerprint;
  json["result"] = record.result;
  write_file_durably(record_path(run_directory, record.stage), json.dump(2) + "\n");
}

}  // namespace attune
