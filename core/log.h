// Messages for people, on stderr, through spdlog. spdlog is included in log.cpp alone, so that no
// file sees both its fmt and torch's (docs/build.md, hazard 1). Thread-safe.
#pragma once

#include <cstdint>
#include <string>

namespace attune {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };

void set_log_level(LogLevel level);  // default kInfo
void log_debug(const std::string& message);
void log_info(const std::string& message);
void log_warning(const std::string& message);
void log_error(const std::string& message);

}  // namespace attune
