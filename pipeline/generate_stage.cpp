#include "pipeline/generate_stage.h"

#include <chrono>

#include "core/error.h"
#include "core/log.h"
#include "pipeline/stage_record.h"

namespace attune {
namespace {

constexpr const char* kVersion = "generate 1";  // of what the stage does with equal inputs

// Length before text, so that no two lists of texts are fed alike.
void feed(Sha256& hash, const std::string& text) {
  hash.update(str_cat(text.size(), ":")).update(text);
}

Fingerprint stage_key(const RunConfig& config, const std::vector<Document>& documents) {
  Sha256 hash;
  feed(hash, kVersion);
  feed(hash, print_config(config.generate));
  feed(hash, std::to_string(config.seed));
  for (const Document& document : documents) {
    feed(hash, str_cat(document.root, " ", document.relative));
    feed(hash, document.content.title);
    for (const Section& section : document.content.sections) {
      for (const std::string& heading : section.path) feed(hash, heading);
      feed(hash, section.text);
    }
  }
  return hash.hex();
}

std::string summary(const HeadingCounts& counts) {
  return str_cat(
      counts.documents, " documents, ", counts.passages, " passages, ", counts.training_pairs,
      " training pairs, ", counts.validation_pairs, " validation pairs, ", counts.questions,
      " test questions (left out: ", counts.skipped_short, " short sections, ",
      counts.skipped_untitled, " without a heading, ", counts.skipped_leaking,
      " that would leak into training, ", counts.skipped_repeating,
      " whose answer repeats the question, ", counts.skipped_ambiguous, " ambiguous questions)");
}

std::string choose(const RunConfig& config, const std::string& given, const std::string& name) {
  if (!given.empty()) return given;
  return config.has_generate ? config.output + "/datasets/" + name + ".json" : "";
}

}  // namespace

DataPaths data_paths(const RunConfig& config) {
  std::vector<std::string> train = config.data.train;
  if (train.empty() && config.has_generate) train = {choose(config, "", "train")};
  return {std::move(train), choose(config, config.data.validation, "validation"),
          choose(config, config.data.test, "test")};
}

void generate_stage(const RunConfig& config) {
  const auto started = std::chrono::steady_clock::now();
  const DocumentSet read = read_documents(config.documents);
  const std::vector<Document>& documents = read.documents;
  StageRecord record;
  record.stage = "generate";
  record.key = stage_key(config, documents);
  if (const auto last = read_stage_record(config.output, record.stage);
      last && last->is_current(config.output, record.key)) {
    log_info(str_cat("generate: unchanged, not run again: ", last->result.value("summary", "")));
    return;
  }
  log_info(str_cat("generate: making pairs from ", read.summary()));
  const HeadingPairs pairs = make_heading_pairs(documents, config.generate, config.seed);
  const auto save = [&](const EmbeddingQAFinetuneDataset& dataset, const std::string& name) {
    const std::string path = "datasets/" + name + ".json";
    dataset.save_json(config.output + "/" + path);
    record.add_output(config.output, path);
  };
  save(pairs.train, "train");
  save(pairs.validation, "validation");
  save(pairs.test, "test");
  record.finished = true;
  record.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  record.result["summary"] = summary(pairs.total);
  write_stage_record(config.output, record);
  log_info(str_cat("generate: ", summary(pairs.total), ", in ", Json(record.seconds).dump(), " s"));
}

}  // namespace attune
