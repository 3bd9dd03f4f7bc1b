#include "data/generation/offline_generators.h"

#include <algorithm>
#include <utility>

#include "core/config_reader.h"
#include "core/error.h"
#include "data/generation/cropping.h"
#include "data/generation/definitions.h"
#include "data/generation/headings.h"
#include "data/generation/inverse_cloze.h"
#include "data/generation/keyphrases.h"

namespace attune {
namespace {

constexpr OfflineGenerator kGenerators[] = {
    {"headings", "the last two headings above a passage", false, heading_questions},
    {"inverse_cloze", "a sentence of a passage; the rest answers it", true,
     inverse_cloze_questions},
    {"cropping", "a random span of words of a passage; another span answers it", true,
     cropping_questions},
    {"keyphrases", "phrases that are frequent in a passage and rare elsewhere", true,
     keyphrase_questions},
    {"definitions", "English questions that rules make of definitions, instructions and reasons",
     false, definition_questions},
};

const OfflineGenerator& known_generator(const std::string& name) {
  if (const OfflineGenerator* found = find_offline_generator(name)) return *found;
  std::vector<std::string> names;
  std::string list;
  for (const OfflineGenerator& generator : kGenerators) {
    names.emplace_back(generator.name);
    list += (list.empty() ? "" : ", ") + names.back();
  }
  const auto guess = nearest(name, names);
  throw_error(ErrorKind::kConfig, "offline generators: found '", name, "', expected one of ", list,
              guess ? str_cat(" (did you mean '", *guess, "'?)") : "");
}

}  // namespace

std::span<const OfflineGenerator> offline_generators() { return kGenerators; }

const OfflineGenerator* find_offline_generator(std::string_view name) {
  for (const OfflineGenerator& generator : kGenerators)
    if (generator.name == name) return &generator;
  return nullptr;
}

std::vector<Question> generate_offline(const Passages& passages,
                                       const std::vector<std::string>& generators, int per_passage,
                                       std::uint64_t seed) {
  if (generators.empty())
    throw_error(ErrorKind::kConfig,
                "offline generators: none is named; name one, such as headings");
  if (per_passage < 1)
    throw_error(ErrorKind::kConfig, "offline generators: found ", per_passage,
                " questions a passage, expected 1 or more");
  struct Source {
    std::vector<Question> questions;
    std::size_t at = 0;
  };
  std::vector<Source> sources;
  for (std::size_t i = 0; i < generators.size(); ++i) {
    if (std::find(generators.begin(), generators.begin() + static_cast<std::ptrdiff_t>(i),
                  generators[i]) != generators.begin() + static_cast<std::ptrdiff_t>(i))
      throw_error(ErrorKind::kConfig, "offline generators: '", generators[i],
                  "' is named twice; name it once");
    sources.push_back({known_generator(generators[i]).generate(passages, {per_passage, seed})});
  }
  std::vector<Question> mixed;
  for (std::int64_t row = 0; row < static_cast<std::int64_t>(passages.rows.size()); ++row) {
    bool any = true;
    for (int made = 0; any && made < per_passage;) {
      any = false;
      for (Source& source : sources) {
        if (made == per_passage) break;
        if (source.at == source.questions.size() || source.questions[source.at].passage != row)
          continue;
        mixed.push_back(std::move(source.questions[source.at++]));
        ++made;
        any = true;
      }
    }
    for (Source& source : sources)  // what had no turn
      while (source.at < source.questions.size() && source.questions[source.at].passage == row)
        ++source.at;
  }
  return mixed;
}

}  // namespace attune
