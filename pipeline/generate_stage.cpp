#include "pipeline/generate_stage.h"

#include "core/durable.h"
#include "core/duration.h"
#include "core/error.h"
#include "core/log.h"
#include "data/text_id.h"
#include "pipeline/question_generation.h"
#include "pipeline/stage_record.h"

namespace attune {
namespace {

constexpr const char* kStage = "generate";

std::string choose(const RunConfig& config, const std::string& given, const std::string& name) {
  if (!given.empty()) return given;
  return config.has_generate ? config.output + "/datasets/" + name + ".json" : "";
}

std::string passages_jsonl(const QuestionGeneration& generation) {
  std::string lines;
  for (const Passage& passage : generation.passages().rows) {
    Json line = {{"id", passage.id},
                 {"path", generation.read().documents[passage.document].path},
                 {"title", passage.title},
                 {"headings", passage.headings}};
    if (passage.page > 0) line["page"] = passage.page;
    line["text"] = passage.text;
    lines += line.dump() + "\n";
  }
  return lines;
}

std::string questions_jsonl(const QuestionGeneration& generation) {
  constexpr const char* kParts[] = {"train", "validation", "test"};
  std::string lines;
  for (const Question& question : generation.questions()) {
    const Passage& passage = generation.passages().rows[question.passage];
    Json line = {{"id", text_id(question.text)},
                 {"text", question.text},
                 {"passage", passage.id},
                 {"generator", question.generator},
                 {"part", kParts[static_cast<int>(generation.parts()[passage.document])]}};
    if (!question.positive.empty()) line["positive"] = question.positive;
    lines += line.dump() + "\n";
  }
  return lines;
}

GenerateOutcome outcome_of(const RunConfig& config, const StageRecord& record) {
  return {choose(config, "", "train"), record.result.value("queries", std::int64_t{0}),
          record.result.value("passages", std::int64_t{0})};
}

std::optional<StageRecord> current_record(const RunConfig& config,
                                          const QuestionGeneration& generation) {
  return current_stage_record(config.output, kStage, generation.inputs());
}

}  // namespace

DataPaths data_paths(const RunConfig& config) {
  std::vector<std::string> train = config.data.train;
  if (train.empty() && config.has_generate) train = {choose(config, "", "train")};
  return {std::move(train), choose(config, config.data.validation, "validation"),
          choose(config, config.data.test, "test")};
}

StageInputs generate_inputs(const RunConfig& config) { return QuestionGeneration(config).inputs(); }

GenerateOutcome generate_stage(const RunConfig& config, const StopRequested& stop) {
  StageRecord record(kStage);
  QuestionGeneration generation(config);
  if (const auto last = current_record(config, generation)) {
    log_info(str_cat("generate: unchanged, not run again: ", last->result.value("summary", "")));
    return outcome_of(config, *last);
  }
  generation.cut();
  log_info(str_cat("generate: ", generation.read().summary(), "; ",
                   generation.passages().rows.size(), " passages"));
  generation.ask(stop);
  record.inputs = generation.inputs();
  const auto save = [&](const std::string& name, const std::string& bytes) {
    write_file_durably(config.output + "/datasets/" + name, bytes);
    record.add_output(config.output, "datasets/" + name);
  };
  save("train.json", generation.datasets().train.to_json());
  save("validation.json", generation.datasets().validation.to_json());
  save("test.json", generation.datasets().test.to_json());
  save("passages.jsonl", passages_jsonl(generation));
  save("questions.jsonl", questions_jsonl(generation));
  record.result["summary"] = generation.summary();
  if (!generation.llm_account().is_null()) record.result["llm"] = generation.llm_account();
  record.result["queries"] = generation.datasets().train.queries.size();
  record.result["passages"] = generation.datasets().train.corpus.size();
  record.finish(config.output);
  log_info(str_cat("generate: ", generation.summary(), ", in ", duration_text(record.seconds)));
  return outcome_of(config, record);
}

GenerateDryRun generate_dry_run(const RunConfig& config) {
  QuestionGeneration generation(config);
  generation.cut();
  const Passages& passages = generation.passages();
  const GenerationEstimate estimate = generation.estimate();
  GenerateDryRun told;
  told.json = {{"status", "dry_run"},
               {"documents", passages.documents},
               {"sections", passages.sections},
               {"passages", passages.rows.size()},
               {"passages_to_ask", estimate.passages_to_ask},
               {"unchanged", current_record(config, generation).has_value()}};
  told.text = str_cat("nothing was written to ", config.output, "\ndocuments  ", passages.documents,
                      "\npassages   ", passages.rows.size(), ", asked about ",
                      estimate.passages_to_ask, "\n");
  if (estimate.llm) {
    const LlmEstimate& llm = *estimate.llm;
    told.json["requests"] = llm.requests;
    told.json["answers_kept"] = llm.from_journal;
    told.json["prompt_tokens"] = llm.usage.prompt;
    told.json["completion_tokens"] = llm.usage.completion;
    told.json["cost"] = llm.cost;
    told.json["least_seconds"] = llm.least_seconds;
    told.text +=
        str_cat("requests   ", llm.requests, " (", llm.from_journal,
                " answers are there already)\ntokens     ", llm.usage.prompt, " of prompts, about ",
                llm.usage.completion, " of answers, cost ", Json(llm.cost).dump(), "\n");
  }
  return told;
}

QuestionDatasets generate_without_writing(const RunConfig& config) {
  QuestionGeneration generation(config);
  if (config.generate.method == "llm" && !current_record(config, generation))
    throw_error(ErrorKind::kConfig,
                "--dry-run asks no language model, and the questions are not made yet: run "
                "`attune generate` first");
  generation.cut();
  generation.ask({});
  return generation.datasets();
}

}  // namespace attune
