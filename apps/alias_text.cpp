#include "apps/alias_text.h"

#include <cmath>

#include "core/error.h"

namespace attune {
namespace {

double share_of(const AliasVersion& version, const AliasArm& arm) {
  std::int64_t all = 0;
  for (const AliasArm& other : version.arms) all += other.weight;
  return static_cast<double>(arm.weight) / static_cast<double>(all);
}

}  // namespace

std::string alias_line(const AliasVersion& version) {
  std::string text = version.alias + "  ";
  for (const AliasArm& arm : version.arms) {
    if (&arm != &version.arms.front()) text += ", ";
    text += arm.model;
    if (version.arms.size() > 1)
      text += str_cat(" ", std::round(share_of(version, arm) * 1000) / 10, " %");
  }
  return text + "\n";
}

Json alias_json(const AliasVersion& version, const std::map<std::string, ArmUse>* use) {
  Json json;
  json["alias"] = version.alias;
  json["version"] = version.number;
  json["previous"] = version.previous;
  json["made_at"] = version.made_at;
  json["arms"] = Json::array();
  for (const AliasArm& arm : version.arms) {
    Json& row = json["arms"].emplace_back(Json{{"model", arm.model},
                                               {"path", arm.path},
                                               {"weight", arm.weight},
                                               {"share", share_of(version, arm)}});
    if (use == nullptr) continue;
    const auto found = use->find(arm.model);
    const ArmUse of_arm = found == use->end() ? ArmUse() : found->second;
    row["requests"] = of_arm.requests;
    row["mean_ms"] = nullptr;
    if (of_arm.requests > 0)
      row["mean_ms"] =
          static_cast<double>(of_arm.microseconds) / 1000.0 / static_cast<double>(of_arm.requests);
    row["outcomes"] = of_arm.outcomes;
  }
  return json;
}

}  // namespace attune
