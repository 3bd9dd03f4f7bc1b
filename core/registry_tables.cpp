#include "core/registry_tables.h"

#include <chrono>

#include "core/error.h"

namespace attune {
namespace {

constexpr std::int64_t kSchema = 2;

constexpr const char* kJobs[] = {
    R"(CREATE TABLE jobs(
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, model_id TEXT UNIQUE NOT NULL,
  status TEXT NOT NULL, name TEXT NOT NULL, run_directory TEXT NOT NULL,
  working_directory TEXT NOT NULL, command TEXT NOT NULL, base TEXT NOT NULL,
  config_sha256 TEXT NOT NULL, created_at INTEGER NOT NULL, started_at INTEGER NOT NULL,
  finished_at INTEGER NOT NULL, step INTEGER NOT NULL, total_steps INTEGER NOT NULL,
  artifact TEXT NOT NULL, metrics TEXT NOT NULL, error TEXT NOT NULL,
  cancel_requested INTEGER NOT NULL, process TEXT NOT NULL) STRICT)",
    R"(CREATE TABLE events(
  job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, number INTEGER NOT NULL,
  at INTEGER NOT NULL, level TEXT NOT NULL, message TEXT NOT NULL, status TEXT NOT NULL,
  PRIMARY KEY(job, number)) STRICT)",
};

constexpr const char* kAliases[] = {
    "ALTER TABLE jobs ADD COLUMN artifact_sha256 TEXT NOT NULL DEFAULT ''",
    R"(CREATE TABLE aliases(
  name TEXT PRIMARY KEY, version INTEGER NOT NULL, switched_at INTEGER NOT NULL) STRICT)",
    R"(CREATE TABLE alias_versions(
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  alias TEXT NOT NULL REFERENCES aliases(name) ON DELETE CASCADE,
  previous INTEGER NOT NULL, made_at INTEGER NOT NULL) STRICT)",
    R"(CREATE TABLE alias_arms(
  version INTEGER NOT NULL REFERENCES alias_versions(number) ON DELETE CASCADE,
  place INTEGER NOT NULL, model TEXT NOT NULL, path TEXT NOT NULL, sha256 TEXT NOT NULL,
  weight INTEGER NOT NULL, requests INTEGER NOT NULL, microseconds INTEGER NOT NULL,
  PRIMARY KEY(version, model)) STRICT)",
    R"(CREATE TABLE alias_outcomes(
  version INTEGER NOT NULL, model TEXT NOT NULL, name TEXT NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY(version, model, name),
  FOREIGN KEY(version, model) REFERENCES alias_arms(version, model) ON DELETE CASCADE) STRICT)",
};

}  // namespace

void make_registry_tables(Database& database, const std::string& path) {
  const auto version = [&] {
    return std::get<std::int64_t>(database.run("PRAGMA user_version")[0][0]);
  };
  const std::int64_t found = version();
  if (found > kSchema)
    throw_error(ErrorKind::kData, path, ": written by a newer attune (version ", found,
                " of the registry, this one knows ", kSchema, "); use that one");
  if (found == kSchema) return;
  database.transaction([&] {
    const std::int64_t now = version();  // another process may have been first
    if (now < 1)
      for (const char* statement : kJobs) database.run(statement);
    if (now < 2)
      for (const char* statement : kAliases) database.run(statement);
    database.run("PRAGMA user_version=" + std::to_string(kSchema));
  });
}

std::int64_t seconds_since_1970() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace attune
