#include "pipeline/stage_record.h"

#include <filesystem>

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
  StageRecord record;
  record.stage = json.at("stage").get<std::string>();
  record.key = json.at("key").get<std::string>();
  record.finished = json.at("finished").get<bool>();
  record.seconds = json.at("seconds").get<double>();
  for (const auto& [path, fingerprint] : json.at("outputs").items())
    record.outputs[path] = fingerprint.get<std::string>();
  record.result = json.at("result");
  if (!record.result.is_object()) throw_error(ErrorKind::kData, "\"result\" is no object");
  return record;
}

}  // namespace

void StageRecord::add_output(const std::string& run_directory, const std::string& path) {
  outputs[path] = sha256_file(run_directory + "/" + path);
}

bool StageRecord::is_current(const std::string& run_directory,
                             const Fingerprint& wanted_key) const {
  if (!finished || key != wanted_key) return false;
  for (const auto& [path, fingerprint] : outputs) {
    const std::string file = run_directory + "/" + path;
    std::error_code ignored;
    if (!fs::is_regular_file(file, ignored) || sha256_file(file) != fingerprint) {
      log_info(str_cat(file, " is not what '", stage, "' wrote: the stage runs again"));
      return false;
    }
  }
  return true;
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
  json["key"] = record.key;
  json["finished"] = record.finished;
  json["seconds"] = record.seconds;
  json["outputs"] = Json::object();
  for (const auto& [path, fingerprint] : record.outputs) json["outputs"][path] = fingerprint;
  json["result"] = record.result;
  write_file_durably(record_path(run_directory, record.stage), json.dump(2) + "\n");
}

}  // namespace attune
