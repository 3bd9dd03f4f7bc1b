#include "trainer/lineage.h"

#include <sstream>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"

namespace attune {
namespace {

constexpr std::size_t kMaxParents = 1000;

Json entry_of(const Json& lineage) {
  const Json own = lineage.value("adapter", Json::object());
  Json entry = {{"kind", own.empty() ? "model" : "adapter"}};
  for (const char* key : {"run", "base", "base_fingerprint", "fingerprint", "steps", "best_step",
                          "data", "date", "attune"}) {
    if (lineage.contains(key))
      entry[key] = lineage[key];
    else if (own.contains(key))
      entry[key] = own[key];
  }
  return entry;
}

std::string shown(const Json& entry, const char* key) {
  if (!entry.contains(key)) return "unknown";
  return entry[key].is_string() ? entry[key].get<std::string>() : entry[key].dump();
}

}  // namespace

Json parents_of(const std::string& directory) {
  const std::string path = directory + "/attune.json";
  if (!file_exists(path)) return Json::array();
  try {
    const Json lineage = read_json_file(path, std::size_t{16} << 20);
    if (!lineage.is_object()) throw_error(ErrorKind::kData, "it holds no object");
    Json parents = Json::array({entry_of(lineage)});
    for (const Json& parent : lineage.value("parents", Json::array()))
      if (parent.is_object() && parents.size() < kMaxParents) parents.push_back(parent);
    return parents;
  } catch (const std::exception& error) {
    log_warning(str_cat(
        path, ": not understood, so what came before this model is not recorded: ", error.what()));
    return Json::array();
  }
}

std::string describe_parents(const Json& parents) {
  if (parents.empty()) return "";
  std::ostringstream text;
  text << "\n## Earlier finetuning\n\nThe base model was itself finetuned; the newest run "
          "first:\n\n";
  for (const Json& parent : parents)
    text << "- " << shown(parent, "kind") << " of run `" << shown(parent, "run") << "`, "
         << shown(parent, "steps") << " steps, from `" << shown(parent, "base") << "` ("
         << shown(parent, "base_fingerprint").substr(0, 16) << ")\n";
  return text.str();
}

}  // namespace attune
