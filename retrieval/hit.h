// One passage that a search found.
#pragma once

#include <cstdint>

namespace attune {

struct Hit {
  std::int64_t row = 0;  // of the corpus
  float score = 0;
};

}  // namespace attune
