// A bounded number of threads that run what is handed in, in order. Threads begin as they are
// needed. The destructor waits for what runs; what has not begun is dropped.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace attune {

class TaskPool {
 public:
  explicit TaskPool(int threads);
  ~TaskPool();
  TaskPool(const TaskPool&) = delete;
  TaskPool& operator=(const TaskPool&) = delete;
  // `task` must not throw, nor wait for another task of this pool.
  void submit(std::function<void()> task);

 private:
  void work();
  const std::size_t most_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  std::size_t idle_ = 0;
  bool ends_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace attune
