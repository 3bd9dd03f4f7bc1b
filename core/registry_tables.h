// The file of jobs (core/job_registry.h) and aliases (core/alias_registry.h): one, so that an alias
// and the job that it leads to change in one commit. docs/formats.md lists its columns.
#pragma once

#include <string>

#include "core/database.h"

namespace attune {

// Makes the tables, or brings those of an older attune up to date. Error{kData}: of a newer one.
void make_registry_tables(Database& database, const std::string& path);

}  // namespace attune
