#include "core/task_pool.h"

#include <utility>

#include "core/error.h"

namespace attune {

TaskPool::TaskPool(int threads) : most_(static_cast<std::size_t>(threads)) {
  ATTUNE_ASSERT(threads > 0);
}

TaskPool::~TaskPool() {
  std::deque<std::function<void()>> dropped;
  {
    const std::scoped_lock lock(mutex_);
    ends_ = true;
    dropped.swap(waiting_);
  }
  changed_.notify_all();
  threads_.clear();  // joins
}

void TaskPool::submit(std::function<void()> task) {
  const std::scoped_lock lock(mutex_);
  waiting_.push_back(std::move(task));
  if (waiting_.size() > idle_ && threads_.size() < most_) threads_.emplace_back([this] { work(); });
  changed_.notify_one();
}

void TaskPool::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    changed_.wait(lock, [&] { return ends_ || !waiting_.empty(); });
    --idle_;
    if (ends_) return;
    std::function<void()> task = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    task();
    task = nullptr;  // what it holds goes before the lock is held: that may hand in a task itself
    lock.lock();
  }
}

}  // namespace attune
