// What is wrong in one file, collected, so that all of it is told at once.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "core/error.h"

namespace attune {

class Mistakes {
 public:
  explicit Mistakes(std::string path) : path_(std::move(path)) {}

  template <class... Parts>
  void add(const Parts&... parts) {
    if (++count_ <= kShown) text_ += str_cat("\n  ", parts...);
  }
  void throw_if_any(const char* advice) const {
    if (count_ == 0) return;
    const std::string rest =
        count_ > kShown ? str_cat("\n  and ", count_ - kShown, " more") : std::string();
    throw_error(ErrorKind::kData, path_, ": ", count_,
                count_ == 1 ? " mistake:" : " mistakes:", text_, rest, "\n", advice);
  }

 private:
  static constexpr std::int64_t kShown = 20;
  std::string path_, text_;
  std::int64_t count_ = 0;
};

}  // namespace attune
