// What every generator gives: a question and the passage that answers it.
#pragma once

#include <cstdint>
#include <string>

namespace attune {

struct Question {
  std::string text;
  std::int64_t passage = 0;   // row of Passages
  std::string generator;      // its name in the configuration, for counts and provenance
  std::string positive = {};  // the text that answers it, where that is not the whole passage
};

}  // namespace attune
