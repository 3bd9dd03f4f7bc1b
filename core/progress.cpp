#include "core/progress.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
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

void write(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

// The one line of the terminal, whoever writes it.
std::mutex line_mutex;
std::size_t line_width = 0;  // of what stands there; 0: nothing
std::atomic<bool> is_shown{true};

// Over what stands there.
void rewrite(const std::string& text, const char* end) {
  const std::scoped_lock lock(line_mutex);
  const std::size_t blanks = line_width > text.size() ? line_width - text.size() : 0;
  line_width = *end == '\0' ? text.size() : 0;
  write("\r" + text + std::string(blanks, ' ') + end);
}

}  // namespace

void set_progress_shown(bool shown) { is_shown = shown; }

void clear_progress_line() {
  const std::scoped_lock lock(line_mutex);
  if (line_width == 0) return;
  write("\r" + std::string(line_width, ' ') + "\r");
  line_width = 0;
}

Progress::Progress(std::string what, std::int64_t total, std::int64_t done_before)
    : what_(std::move(what)),
      total_(total),
      done_before_(done_before),
      done_(done_before),
      terminal_(stderr_is_terminal()),
      started_(Clock::now()),
      last_shown_(terminal_ ? started_ - kTerminalInterval : started_) {}

Progress::~Progress() {
  if (finished_ || !terminal_) return;
  const std::scoped_lock lock(line_mutex);
  if (line_width > 0) write("\n");
  line_width = 0;
}

std::string Progress::line(const std::string& detail) const {
  std::string out = what_ + " " + std::to_string(done_);
  if (total_ > 0) {
    out += "/" + std::to_string(total_) + " (" + std::to_string(100 * done_ / total_) + " %)";
    const auto worked = Clock::now() - started_ - paused_;
    const std::int64_t done = done_ - done_before_;
    if (done > 0 && done_ < total_) {
      const double left = std::chrono::duration<double>(worked).count() *
                          static_cast<double>(total_ - done_) / static_cast<double>(done);
      out += ", " + duration(static_cast<std::int64_t>(left + 0.5)) + " left";
    }
  }
  if (!detail.empty()) out += ", " + detail;
  return out;
}

bool Progress::is_due() const {
  const auto interval = terminal_ ? Clock::duration(kTerminalInterval) : kPlainInterval;
  return is_shown && Clock::now() - last_shown_ >= interval;
}

void Progress::show(std::string text) {
  last_shown_ = Clock::now();
  if (!terminal_) return write(text + "\n");
  if (std::size_t width = terminal_width() - 1; text.size() > width) {
    while (width > 0 && (text[width] & 0xc0) == 0x80) --width;  // not inside a character
    text.resize(width);
  }
  rewrite(text, "");
}

void Progress::update(std::int64_t done, const std::string& detail) {
  done_ = done;
  if (is_due()) show(line(detail));
}

void Progress::pause(const std::string& doing) {
  if (paused_at_ != Clock::time_point{}) return;
  if (terminal_ && is_shown && !doing.empty()) show(line(doing));
  paused_at_ = Clock::now();
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
  if (!is_shown) return;
  if (terminal_) return rewrite(text, "\n");
  write(text + "\n");
}

}  // namespace attune
