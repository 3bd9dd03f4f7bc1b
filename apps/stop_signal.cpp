#include "apps/stop_signal.h"

#include <atomic>
#include <cerrno>

#include <signal.h>
#include <unistd.h>

namespace attune {
namespace {

std::atomic<int> received{0};  // lock-free, so that a handler may use it
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void on_stop_signal(int signal) {
  if (received.exchange(signal) != 0) ::_exit(128 + signal);
  const int saved_errno = errno;
  const char said[] = "\nstopping after this step and saving (once more: at once)\n";
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, said, sizeof said - 1);
  errno = saved_errno;
}

}  // namespace

void install_stop_signals() {
  struct sigaction action{};
  action.sa_handler = on_stop_signal;
  ::sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

bool stop_requested() { return received.load() != 0; }

int stop_exit_code() { return 128 + (received.load() != 0 ? received.load() : SIGINT); }

}  // namespace attune
