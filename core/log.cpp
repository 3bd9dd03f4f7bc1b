#include "core/log.h"

#include <cstdio>
#include <memory>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "core/progress.h"

namespace attune {
namespace {

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>("attune",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->set_level(spdlog::level::info);
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *instance;
}

// A message may quote a hostile file: control characters would drive the reader's terminal.
std::string printable(const std::string& message) {
  std::string out;
  out.reserve(message.size());
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f) {
      char escaped[5];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
      out += escaped;
    } else {
      out += c;
    }
  }
  return out;
}

void log(spdlog::level::level_enum level, const char* prefix, const std::string& message) {
  if (!logger().should_log(level)) return;
  clear_progress_line();
  logger().log(level, spdlog::string_view_t(prefix + printable(message)));
}

}  // namespace

void set_log_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return logger().set_level(spdlog::level::debug);
    case LogLevel::kInfo:
      return logger().set_level(spdlog::level::info);
    case LogLevel::kWarning:
      return logger().set_level(spdlog::level::warn);
    case LogLevel::kError:
      return logger().set_level(spdlog::level::err);
  }
}

void log_debug(const std::string& message) { log(spdlog::level::debug, "debug: ", message); }
void log_info(const std::string& message) { log(spdlog::level::info, "", message); }
void log_warning(const std::string& message) { log(spdlog::level::warn, "warning: ", message); }
void log_error(const std::string& message) { log(spdlog::level::err, "error: ", message); }

}  // namespace attune
