// Documents to data sets, as the sections `documents`, `chunks`, `generate` and `model` say: read,
// cut, asked about (by rules or a language model), filtered, split. Nothing is written but the
// journal of a language model's answers.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "data/generation/llm_generation.h"
#include "data/generation/question_datasets.h"
#include "data/tokenizers/tokenizer.h"
#include "pipeline/run_config.h"
#include "pipeline/stage_record.h"
#include "pipeline/train_stage.h"

namespace attune {

struct GenerationEstimate {
  std::int64_t passages_to_ask = 0;
  std::optional<LlmEstimate> llm;  // of method llm
};

class QuestionGeneration {
 public:
  // Reads the documents.
  explicit QuestionGeneration(const RunConfig& config);

  // Of everything that decides the result: documents, settings, tokenizer; with
  // generate.round_trip the base model and how it embeds.
  const StageInputs& inputs() const { return inputs_; }
  const DocumentSet& read() const { return read_; }

  // Makes passages of the documents; before all that follows. Not needed where the inputs alone say
  // that everything is there.
  void cut();
  const Passages& passages() const { return passages_; }

  // What asking will take. Nobody is asked.
  GenerationEstimate estimate() const;

  // Asks, filters and splits. Being stopped is Error{kInterrupted}; what was answered is kept.
  void ask(const StopRequested& stop);
  const std::vector<Question>& questions() const { return questions_; }
  const std::vector<Part>& parts() const { return parts_; }
  const QuestionDatasets& datasets() const { return datasets_; }
  std::string summary() const;
  // {"requests", "prompt_tokens", "completion_tokens", "cost"} of the language model, those of
  // earlier runs in; null where none was asked.
  const Json& llm_account() const { return llm_account_; }

 private:
  std::string journal_path() const { return config_.output + "/answers.jsonl"; }
  Passages passages_to_ask_about(const std::vector<std::int64_t>& rows) const;
  void keep_round_trips();

  const RunConfig& config_;
  std::unique_ptr<Tokenizer> tokenizer_;
  DocumentSet read_;
  Passages passages_;
  std::vector<Part> parts_;  // [documents]
  StageInputs inputs_;
  std::vector<Question> questions_;
  Json llm_account_;
  std::string answers_;               // what the language model's answers took, for the summary
  std::vector<std::string> dropped_;  // how many questions each rule dropped
  QuestionDatasets datasets_;
};

}  // namespace attune
