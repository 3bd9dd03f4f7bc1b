// Everything that a report tells of a run, read from its directory (docs/formats.md). What is not
// there is named in `missing`; what is there and damaged is an Error{kData}.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/printed_config.h"
#include "data/qa_dataset.h"
#include "pipeline/report/data_facts.h"
#include "pipeline/report/training_log.h"
#include "pipeline/stage_record.h"
#include "retrieval/query_results.h"

namespace attune {

// Where a question of a generated test set is from.
struct QuestionSource {
  std::string generator;  // empty: people asked it in a document
  std::string path;       // of the document that answers it
};

struct RecordedRun {
  std::string directory;  // as it was given
  std::string name;
  std::vector<Setting> settings;              // of config.yaml
  std::vector<Setting> defaults;              // of the sections that it has
  std::map<std::string, StageRecord> stages;  // those that finished, by name
  TrainingLog log;
  Json lineage = Json::object();              // artifact/attune.json
  std::string query_prompt, document_prompt;  // stored with the artifact
  std::optional<QueryResults> results;
  Json evaluation = Json::object();                // evaluation.json beside those results
  std::optional<EmbeddingQAFinetuneDataset> test;  // the results' data set, for its texts
  std::map<std::string, QuestionSource> sources;   // by id of the test's query
  std::optional<DataFacts> train_data, validation_data, test_data;
  std::vector<std::string> missing;  // sentences

  // Whether its training ended with a loss or gradient that is not finite.
  bool has_diverged() const;
  // A value that a finished stage told; null where there is none.
  Json told(const std::string& stage, const std::string& key) const;
};

// `with_texts`: the data sets too, which a comparison of runs does without. Error{kData} for a
// directory that holds no config.yaml.
RecordedRun read_run(const std::string& directory, bool with_texts);

}  // namespace attune
