// How work that takes long is asked to stop: by Ctrl-C, by a test.
#pragma once

#include <functional>

namespace attune {

// Asked at places where work can end well; the answer stays true.
using StopRequested = std::function<bool()>;

}  // namespace attune
