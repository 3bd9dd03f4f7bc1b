#include "core/request_pace.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <thread>

namespace attune {
namespace {

constexpr double kLongestBackoff = 60;
constexpr auto kLook = std::chrono::milliseconds(50);

RequestPace::Clock::duration seconds(double count) {
  return std::chrono::duration_cast<RequestPace::Clock::duration>(
      std::chrono::duration<double>(count));
}

double per(int a_minute) { return a_minute > 0 ? 60.0 / a_minute : 0; }

}  // namespace

RequestPace::RequestPace(int requests_per_minute, int tokens_per_minute)
    : seconds_per_request_(per(requests_per_minute)), seconds_per_token_(per(tokens_per_minute)) {}

// A bucket that holds one request is a time from which on it is full again.
bool RequestPace::wait_turn(std::int64_t tokens, const StopRequested& stop) {
  while (true) {
    double left = 0;
    {
      const std::scoped_lock lock(mutex_);
      const Clock::time_point now = Clock::now();
      const Clock::time_point turn = std::max({requests_free_, tokens_free_, paused_until_});
      if (turn <= now) {
        requests_free_ = now + seconds(seconds_per_request_);
        tokens_free_ = now + seconds(seconds_per_token_ * static_cast<double>(tokens));
        return !stop();
      }
      left = std::chrono::duration<double>(turn - now).count();
    }
    // Others may be first, or a pause may begin: look again then.
    if (!wait_for(left, stop)) return false;
  }
}

void RequestPace::correct(std::int64_t requests, std::int64_t tokens) {
  const std::scoped_lock lock(mutex_);
  requests_free_ += seconds(seconds_per_request_ * static_cast<double>(requests));
  tokens_free_ += seconds(seconds_per_token_ * static_cast<double>(tokens));
}

void RequestPace::pause(double count) {
  const std::scoped_lock lock(mutex_);
  paused_until_ = std::max(paused_until_, Clock::now() + seconds(count));
}

bool wait_for(double count, const StopRequested& stop) {
  const RequestPace::Clock::time_point end = RequestPace::Clock::now() + seconds(count);
  while (!stop()) {
    const auto left = end - RequestPace::Clock::now();
    if (left <= RequestPace::Clock::duration::zero()) return true;
    std::this_thread::sleep_for(std::min<RequestPace::Clock::duration>(left, kLook));
  }
  return false;
}

double backoff_seconds(double first, int attempt, std::uint64_t seed, std::int64_t row) {
  std::seed_seq words{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
                      static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(row >> 32),
                      static_cast<std::uint32_t>(attempt)};
  std::mt19937 engine(words);
  const double part = 0.5 + 0.5 * static_cast<double>(engine()) / 4294967296.0;
  return part * std::min(kLongestBackoff, first * std::exp2(attempt - 1));
}

}  // namespace attune
