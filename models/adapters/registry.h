// The kinds of adapters by name: those of this folder and those that register_adapter() added.
#pragma once

#include <attune/adapter.h>

#include "core/json.h"

namespace attune {

// Error{kConfig} that lists the names known.
std::unique_ptr<Adapter> make_adapter(const std::string& type, const Json& config,
                                      std::uint64_t seed);

// A whole number above 0 of `config`; else Error{kData} that names the key.
std::int64_t adapter_width(const Json& config, const char* key);

}  // namespace attune
