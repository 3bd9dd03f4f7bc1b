// set_durable_hook() for the length of a scope.
#pragma once

#include <utility>

#include "core/durable.h"

namespace attune {

class Hook {
 public:
  explicit Hook(DurableHook hook) { set_durable_hook(std::move(hook)); }
  ~Hook() { set_durable_hook({}); }
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;
};

}  // namespace attune
