// Answers of a model, kept as they arrive: after kill -9 none that was kept is asked again.
//
// File: JSON lines (docs/formats.md). The first says what the answers are of, each further one is
// the answer for one passage. A line is on disk (fsync) before add() returns; an unfinished last
// line, which a killed process or a power failure may leave, is no answer.
//
// Not thread-safe. One process at a time: the run directory's lock sees to that.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/durable.h"
#include "core/hash.h"
#include "core/json.h"
#include "data/chunks/passages.h"
#include "data/generation/llm.h"

namespace attune {

// What answers depend on. The server's address, limits and prices are none of it.
struct JournalHeader {
  Fingerprint documents;  // of the passages' ids, in their order
  std::int64_t passages = 0;
  std::string model;
  Fingerprint prompt;  // of the template
  int questions_per_passage = 0;
  double temperature = 0;

  Json to_json() const;
};

struct JournaledAnswer {
  std::string text;
  bool cut_off = false;
  TokenUsage usage;
};

Fingerprint fingerprint_of_passages(const Passages& passages);

using JournaledAnswers = std::unordered_map<std::string, JournaledAnswer>;  // by passage id

// Only reads. No file: no answers. Error{kData}: no journal, a journal of something else (named:
// documents, model, prompt, ...), or damage, with the line.
JournaledAnswers read_journal(const std::string& path, const JournalHeader& header,
                              const Passages& passages);

class AnswerJournal {
 public:
  // Reads as read_journal, then opens the file for more, made if it is not there.
  AnswerJournal(const std::string& path, const JournalHeader& header, const Passages& passages);
  const JournaledAnswers& answers() const { return answers_; }
  // Once for each passage. Error{kResources}: disk; nothing can be added after that.
  void add(const std::string& passage_id, JournaledAnswer answer);

 private:
  JournaledAnswers answers_;
  std::optional<AppendFile> file_;
};

}  // namespace attune
