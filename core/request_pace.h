// When the next request may go: limits of requests and tokens a minute, pauses that a server asks
// for, and pauses between attempts.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>

#include "core/stop.h"

namespace attune {

// Token buckets that hold one request: requests are spread evenly, never sent in a burst at the
// minute's start. Thread-safe.
class RequestPace {
 public:
  using Clock = std::chrono::steady_clock;
  RequestPace(int requests_per_minute, int tokens_per_minute);  // 0: no limit

  // Waits for the turn of a request of about so many tokens. False: `stop` came true meanwhile.
  bool wait_turn(std::int64_t tokens, const StopRequested& stop);
  // What a request took beside what wait_turn() was told; may be negative.
  void correct(std::int64_t requests, std::int64_t tokens);
  // Nobody's turn comes for so long.
  void pause(double seconds);

 private:
  double seconds_per_request_, seconds_per_token_;
  std::mutex mutex_;
  Clock::time_point requests_free_, tokens_free_, paused_until_;
};

// Sleeps, looking at `stop` 20 times a second. False: it came true.
bool wait_for(double seconds, const StopRequested& stop);

// Exponential back-off with jitter: between a half and the whole of first * 2^(attempt - 1), at
// most a minute; attempt counts from 1. The same for the same seed, row and attempt.
double backoff_seconds(double first, int attempt, std::uint64_t seed, std::int64_t row);

}  // namespace attune
