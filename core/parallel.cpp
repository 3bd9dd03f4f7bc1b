#include "core/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace attune {

void parallel_for(std::int64_t count, int threads, std::int64_t grain,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& body) {
  if (count <= 0) return;
  grain = std::clamp<std::int64_t>(grain, 1, count);
  const std::int64_t pieces = (count - 1) / grain + 1;
  std::int64_t workers = threads > 0 ? threads : std::thread::hardware_concurrency();
  workers = std::clamp<std::int64_t>(workers, 1, pieces);

  std::atomic<std::int64_t> next{0};
  std::mutex first_error_mutex;
  std::exception_ptr first_error;
  const auto work = [&]() noexcept {
    try {
      for (std::int64_t piece; (piece = next.fetch_add(1)) < pieces;) {
        const std::int64_t begin = piece * grain;
        body(begin, begin + std::min(grain, count - begin));
      }
    } catch (...) {
      next.store(pieces);  // nobody begins another piece
      const std::scoped_lock lock(first_error_mutex);
      if (!first_error) first_error = std::current_exception();
    }
  };

  {
    std::vector<std::jthread> others;  // joined at the end of this scope
    others.reserve(static_cast<std::size_t>(workers - 1));
    try {
      for (std::int64_t i = 1; i < workers; ++i) others.emplace_back(work);
    } catch (const std::system_error&) {
      // The system gives no more threads: those that run do all the work.
    }
    work();
  }
  if (first_error) std::rethrow_exception(first_error);
}

}  // namespace attune
