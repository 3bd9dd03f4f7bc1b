// The file of jobs (core/job_registry.h) and aliases (core/alias_registry.h): one, so that an alias
// and the job that it leads to change in one commit. docs/formats.md lists its columns.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "core/database.h"

namespace attune {

// Makes the tables, or brings those of an older attune up to date. Error{kData}: of a newer one.
void make_registry_tables(Database& database, const std::string& path);

// Values of its columns.
inline const std::string& text(const Database::Value& value) {
  return std::get<std::string>(value);
}
inline std::int64_t number(const Database::Value& value) { return std::get<std::int64_t>(value); }
std::int64_t seconds_since_1970();

}  // namespace attune
