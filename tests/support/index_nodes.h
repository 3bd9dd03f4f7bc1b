// Nodes of an index, and what it says when it refuses.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <attune/vector_store_index.h>

#include "tests/support/refusal.h"

namespace attune {

// "n3" with the text "passage 3" and its page, for begin to end - 1.
inline std::vector<TextNode> make_nodes(int begin, int end, const std::string& text = "passage ") {
  std::vector<TextNode> nodes;
  for (int i = begin; i < end; ++i)
    nodes.push_back({"n" + std::to_string(i), text + std::to_string(i),
                     R"({"page":)" + std::to_string(i) + "}"});
  return nodes;
}

inline std::string message_of(const std::function<void()>& work,
                              ErrorKind kind = ErrorKind::kData) {
  return message_of(kind, work);
}

}  // namespace attune
