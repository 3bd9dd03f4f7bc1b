// Aliases for people and for scripts.
#pragma once

#include <map>
#include <string>

#include "core/alias_registry.h"
#include "core/json.h"

namespace attune {

// "prod  model-0123456789ab 90 %, model-ba9876543210 10 %\n"
std::string alias_line(const AliasVersion& version);
// {"alias": ..., "version": ..., "previous": ..., "made_at": ..., "arms": [{"model", "path",
// "weight", "share"}]}; with `use` each arm's "requests", "mean_ms" (null without any) and
// "outcomes".
Json alias_json(const AliasVersion& version, const std::map<std::string, ArmUse>* use = nullptr);

}  // namespace attune
