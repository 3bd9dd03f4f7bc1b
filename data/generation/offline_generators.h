// Questions made from passages alone: no model, no network, no key. One line of a list per
// generator; each is deterministic in passages, settings and seed, and takes time linear in the
// text. A passage's questions depend on the passage alone, but for keyphrases (which counts words
// over all passages) and definitions (which sees where a section begins).
// Passages must be UTF-8, as readers give them; generators that look for sentences throw
// Error{kData} at others.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/chunks/passages.h"
#include "data/generation/question.h"

namespace attune {

struct OfflineSettings {
  int per_passage = 1;     // questions a passage at most; a passage may give fewer or none
  std::uint64_t seed = 0;  // of what a generator chooses at random
};

struct OfflineGenerator {
  const char* name;
  const char* help;  // one line for the documentation
  bool copies;       // its questions are pieces of the passage: question_filters.h lets them pass
  // In the order of the passages.
  std::vector<Question> (*generate)(const Passages&, const OfflineSettings&);
};

// Every generator, in the order of the documentation.
std::span<const OfflineGenerator> offline_generators();

// nullptr if there is none of this name.
const OfflineGenerator* find_offline_generator(std::string_view name);

// A mix: `generators` take turns at each passage in the order given, each with its next question,
// until it has `per_passage` or none is left. So the first generator alone speaks with per_passage
// 1 wherever it has a question, and the others where it has none. Questions come in the order of
// passages, then of turns. Refused with ErrorKind::kConfig: an unknown name (with the known ones),
// the same name twice, no name, per_passage below 1.
std::vector<Question> generate_offline(const Passages& passages,
                                       const std::vector<std::string>& generators, int per_passage,
                                       std::uint64_t seed);

}  // namespace attune
