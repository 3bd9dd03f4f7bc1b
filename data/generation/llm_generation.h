// Questions for passages, asked of a language model: several requests at a time, repeated where
// that helps, counted, and journaled, so that no answer is asked or paid for twice.
//
// What comes out is a function of the answers in the journal alone, in the passages' order, however
// often the run was stopped or killed and in whatever order answers came.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/chunks/passages.h"
#include "data/generation/llm.h"
#include "data/generation/llm_config.h"
#include "data/generation/question.h"

namespace attune {

struct LlmCounts {
  std::int64_t passages = 0;
  std::int64_t asked = 0;         // answered in this run
  std::int64_t from_journal = 0;  // answered by earlier runs
  std::int64_t failed = 0;        // without an answer; asked again by the next run
  std::int64_t requests = 0;      // sent in this run
  std::int64_t retries = 0;       // attempts of a passage after its first
  std::int64_t questions = 0;
  std::int64_t short_answers = 0;      // with fewer questions than asked for
  std::int64_t missing_questions = 0;  // that they lack
  std::int64_t surplus_questions = 0;  // beyond what was asked for; left out
  TokenUsage usage;                    // of this run, failed attempts included
  TokenUsage earlier_usage;            // of the answers from the journal
  double cost = 0, earlier_cost = 0;   // by LlmConfig's prices
};

struct GenerationOutcome {
  std::vector<Question> questions;  // in the passages' order
  LlmCounts counts;
};

// Asks for every passage that the journal has no answer for. `stop` is called from this thread, and
// may come true at any moment: answers that have not come whole are then given up.
//
// Errors: kInterrupted (`stop`), kConfig (the server will have none of it, see OpenAILike), kData
// (prompt or journal), kResources (disk, no libcurl), kFailed (a passage without an answer under
// on_failure: fail; ten of them in a row, or all, under any). Whatever the error, what was answered
// is in the journal, and calling this again goes on.
GenerationOutcome generate_with_llm(const Passages& passages, const LlmConfig& config,
                                    int questions_per_passage, const std::string& journal_path,
                                    std::uint64_t seed, const StopRequested& stop = {});
// With a model of one's own; `config` then says all but where it is.
GenerationOutcome generate_with_llm(LLM& llm, const Passages& passages, const LlmConfig& config,
                                    int questions_per_passage, const std::string& journal_path,
                                    std::uint64_t seed, const StopRequested& stop = {});

struct LlmEstimate {
  std::int64_t requests = 0, from_journal = 0;
  TokenUsage usage;          // of those requests: prompts as counted, answers guessed
  double cost = 0;           // by LlmConfig's prices
  double least_seconds = 0;  // that the limits a minute allow
};

using CountTokens = std::function<std::int64_t(std::string_view)>;

// What generate_with_llm would do. Asks nobody and writes nothing. Without `count_tokens` a token
// is four bytes.
LlmEstimate estimate_llm(const Passages& passages, const LlmConfig& config,
                         int questions_per_passage, const std::string& journal_path,
                         const CountTokens& count_tokens = {});

}  // namespace attune
