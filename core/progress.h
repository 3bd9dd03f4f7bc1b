// One line of progress on stderr: rewritten in place on a terminal (at most 5 times a second), a
// plain line every 10 seconds elsewhere. Honours NO_COLOR and TERM=dumb by being plain. Not
// thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace attune {

class Progress {
 public:
  // `what` begins the line; total 0 means unknown.
  Progress(std::string what, std::int64_t total);
  ~Progress();  // ends the line
  // `detail` follows the count and the estimated time left, e.g. "loss 0.312, 91 pairs/s".
  void update(std::int64_t done, const std::string& detail = "");
  // Time spent outside the work (an evaluation in mid-training) does not count towards the
  // estimate.
  void pause();
  void resume();
  void finish(const std::string& summary = "");

 private:
  std::string line(std::int64_t done, const std::string& detail) const;
  using Clock = std::chrono::steady_clock;
  std::string what_;
  std::int64_t total_, done_ = 0;
  bool terminal_, finished_ = false;
  std::size_t width_ = 0;
  Clock::time_point started_, last_shown_, paused_at_;
  Clock::duration paused_{};
};

}  // namespace attune
