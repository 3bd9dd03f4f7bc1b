// One line of progress on stderr: rewritten in place on a terminal (at most 5 times a second), a
// plain line every 10 seconds elsewhere. Honours NO_COLOR and TERM=dumb by being plain. A message
// of core/log.h clears the line first, so that neither hides the other. An object is used by one
// thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace attune {

// Whether progress is shown at all, from now on (`--quiet`).
void set_progress_shown(bool shown);

// Clears the line that stands on the terminal, if one does; the next update writes it again.
// Thread-safe. For whoever writes to stderr.
void clear_progress_line();

class Progress {
 public:
  // `what` begins the line; total 0 means unknown. `done_before`: of a resumed run, for the
  // estimate.
  Progress(std::string what, std::int64_t total, std::int64_t done_before = 0);
  ~Progress();  // ends the line
  // Whether update() would show anything now: what goes into `detail` need not be made else.
  bool is_due() const;
  // `detail` follows the count and the estimated time left, e.g. "loss 0.312, 91 pairs/s".
  void update(std::int64_t done, const std::string& detail = "");
  // Time spent outside the work (an evaluation in mid-training) does not count towards the
  // estimate. `doing` is shown meanwhile.
  void pause(const std::string& doing = "");
  void resume();
  void finish(const std::string& summary = "");

 private:
  using Clock = std::chrono::steady_clock;
  std::string line(const std::string& detail) const;
  void show(std::string text);
  std::string what_;
  std::int64_t total_, done_before_, done_;
  bool terminal_, finished_ = false;
  Clock::time_point started_, last_shown_, paused_at_;
  Clock::duration paused_{};
};

}  // namespace attune
