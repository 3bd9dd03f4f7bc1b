#include "apps/alias_command.h"

#include <cstdio>
#include <functional>
#include <map>

#include "apps/alias_text.h"
#include "apps/standard_output.h"
#include "core/error.h"

namespace attune {
namespace {

void tell(const Arguments& arguments, const AliasVersion& version) {
  write_stdout(arguments.has("--json") ? alias_json(version).dump() + "\n" : alias_line(version));
}

void list(const Arguments& arguments, AliasRegistry& registry) {
  Json all = Json::array();
  std::string text;
  for (const AliasVersion& version : registry.list()) {
    all.push_back(alias_json(version));
    text += alias_line(version);
  }
  write_stdout(arguments.has("--json") ? all.dump() + "\n" : text);
}

// "  model-...  90 %, 12 requests, 3.4 ms each, hit 7 (58 %)"
std::string line_of(const Json& arm) {
  char number[64];
  std::snprintf(number, sizeof number, "%.3g", arm["share"].get<double>() * 100);
  const auto requests = arm["requests"].get<std::int64_t>();
  std::string text = str_cat("  ", arm["model"].get<std::string>(), "  ", number, " %, ", requests,
                             requests == 1 ? " request" : " requests");
  if (requests == 0) return text + "\n";
  std::snprintf(number, sizeof number, ", %.3g ms each", arm["mean_ms"].get<double>());
  text += number;
  for (const auto& [name, count] : arm["outcomes"].items()) {
    const auto times = count.get<std::int64_t>();
    std::snprintf(number, sizeof number, " (%.3g %%)",
                  100.0 * static_cast<double>(times) / static_cast<double>(requests));
    text += str_cat(", ", name, " ", times, number);
  }
  return text + "\n";
}

void show(const Arguments& arguments, AliasRegistry& registry) {
  const AliasVersion version = registry.get(arguments.positionals()[0]);
  if (const std::string key = arguments.value("--key"); arguments.has("--key")) {
    write_stdout(arm_for(version, key).model + "\n");
    return;
  }
  const std::map<std::string, ArmUse> use = registry.use(version.number);
  Json json = alias_json(version, &use);
  json["earlier"] = Json::array();
  std::string text = str_cat(version.alias, ", version ", version.number, "\n");
  for (const Json& arm : json["arms"]) text += line_of(arm);
  for (const AliasVersion& before : registry.earlier(version)) {
    const std::map<std::string, ArmUse> then = registry.use(before.number);
    json["earlier"].push_back(alias_json(before, &then));
    text += str_cat("before, version ", before.number, "\n");
    for (const Json& arm : json["earlier"].back()["arms"]) text += line_of(arm);
  }
  write_stdout(arguments.has("--json") ? json.dump() + "\n" : text);
}

}  // namespace

void alias_command(const std::string& verb, const Arguments& arguments) {
  AliasRegistry registry;
  const std::map<std::string, std::function<void()>> verbs = {
      {"list", [&] { list(arguments, registry); }},
      {"show", [&] { show(arguments, registry); }},
      {"rollback", [&] { tell(arguments, registry.rollback(arguments.positionals()[0])); }},
      {"rm", [&] { registry.remove(arguments.positionals()[0]); }},
  };
  verbs.at(verb)();
}

}  // namespace attune
