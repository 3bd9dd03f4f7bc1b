#include <attune/embedding_services.h>

#include "core/error.h"
#include "core/request_pace.h"

namespace attune {
namespace {

class PacedLimiter : public RateLimiter {
 public:
  PacedLimiter(int requests, int tokens) : pace_(requests, tokens) {}
  void wait(std::int64_t tokens) override {
    pace_.wait_turn(tokens, [] { return false; });
  }
  void correct(std::int64_t requests, std::int64_t tokens) override {
    pace_.correct(requests, tokens);
  }

 private:
  RequestPace pace_;
};

}  // namespace

std::shared_ptr<RateLimiter> make_rate_limiter(int requests_per_minute, int tokens_per_minute) {
  if (requests_per_minute < 0 || tokens_per_minute < 0)
    throw_error(ErrorKind::kConfig, "a limit of ", requests_per_minute, " requests and ",
                tokens_per_minute, " tokens a minute: expected at least 0, which is no limit");
  return std::make_shared<PacedLimiter>(requests_per_minute, tokens_per_minute);
}

}  // namespace attune
