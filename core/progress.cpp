#include "core/progress.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include <sys/ioctl.h>
#include <unistd.h>

namespace attune {
namespace {

using namespace std::chrono_literals;

constexpr auto kTerminalInterval = 200ms;
constexpr auto kPlainInterval = 10s;

bool is_set(const char* variable) {
  const char* const value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

bool stderr_is_terminal() {
  const char* const terminal = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && !is_set("NO_COLOR") &&
         (terminal == nullptr || std::string_view(terminal) != "dumb");
}

std::size_t terminal_width() {
  winsize size{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  return known ? size.ws_col : 80;
}

// 59s, 12m05s, 3h07m
std::string duration(std::int64_t seconds) {
  char text[32];
  if (seconds < 60) {
    std::snprintf(text, sizeof text, "%llds", static_cast<long long>(seconds));
  } else if (seconds < 3600) {
    std::snprintf(text, sizeof text, "%lldm%02llds", static_cast<long long>(seconds / 60),
                  static_cast<long long>(seconds % 60));
  } else {
    std::snprintf(text, sizeof text, "%lldh%02lldm", static_cast<long long>(seconds / 3600),
                  static_cast<long long>(seconds / 60 % 60));
  }
  return text;
}

void show(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

Progress::Progress(std::string what, std::int64_t total)
    : what_(std::move(what)),
      total_(total),
      terminal_(stderr_is_terminal()),
      started_(Clock::now()),
      last_shown_(terminal_ ? started_ - kTerminalInterval : started_) {}

Progress::~Progress() {
  if (!finished_ && terminal_ && width_ > 0) show("\n");
}

std::string Progress::line(std::int64_t done, const std::string& detail) const {
  std::string out = what_ + " " + std::to_string(done);
  if (total_ > 0) {
    out += "/" + std::to_string(total_) + " (" + std::to_string(100 * done / total_) + " %)";
    const auto worked = Clock::now() - started_ - paused_;
    if (done > 0 && done < total_) {
      const double left = std::chrono::duration<double>(worked).count() *
                          static_cast<double>(total_ - done) / static_cast<double>(done);
      out += ", " + duration(static_cast<std::int64_t>(left + 0.5)) + " left";
    }
  }
  if (!detail.empty()) out += ", " + detail;
  return out;
}

void Progress::update(std::int64_t done, const std::string& detail) {
  done_ = done;
  const auto now = Clock::now();
  if (now - last_shown_ < (terminal_ ? Clock::duration(kTerminalInterval) : kPlainInterval)) return;
  last_shown_ = now;
  std::string text = line(done, detail);
  if (!terminal_) return show(text + "\n");
  if (std::size_t width = terminal_width() - 1; text.size() > width) {
    while (width > 0 && (text[width] & 0xc0) == 0x80) --width;  // not inside a character
    text.resize(width);
  }
  const std::size_t blanks = width_ > text.size() ? width_ - text.size() : 0;
  width_ = text.size();
  show("\r" + text + std::string(blanks, ' '));
}

void Progress::pause() {
  if (paused_at_ == Clock::time_point{}) paused_at_ = Clock::now();
}

void Progress::resume() {
  if (paused_at_ == Clock::time_point{}) return;
  paused_ += Clock::now() - std::exchange(paused_at_, Clock::time_point{});
}

void Progress::finish(const std::string& summary) {
  if (finished_) return;
  finished_ = true;
  resume();
  const auto worked = Clock::now() - started_ - paused_;
  std::string text = what_ + " " + std::to_string(done_);
  if (total_ > 0) text += "/" + std::to_string(total_);
  text += " in " + duration(std::chrono::duration_cast<std::chrono::seconds>(worked).count());
  if (!summary.empty()) text += ", " + summary;
  const std::size_t blanks = width_ > text.size() ? width_ - text.size() : 0;
  show((terminal_ ? "\r" + text + std::string(blanks, ' ') : text) + "\n");
}

}  // namespace attune
