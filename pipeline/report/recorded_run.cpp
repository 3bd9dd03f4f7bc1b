#include "pipeline/report/recorded_run.h"

#include <algorithm>
#include <filesystem>
#include <functional>

#include "core/error.h"
#include "core/file.h"
#include "data/lines.h"
#include "pipeline/run_config.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

bool is_there(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool has_section(const std::vector<Setting>& settings, const std::string& section) {
  return std::any_of(settings.begin(), settings.end(), [&](const Setting& setting) {
    return setting.key.starts_with(section + ".");
  });
}

// What a run with the same sections and nothing in them would have.
std::vector<Setting> defaults_of(const std::vector<Setting>& settings) {
  RunConfig config;
  const auto has = [&](const char* section) { return has_section(settings, section); };
  config.has_documents = has("documents");
  config.has_chunks = has("chunks");
  config.has_generate = has("generate");
  config.has_data = has("data");
  config.has_model = has("model");
  config.has_mine = has("mine");
  config.has_train = has("train");
  config.has_adapter = has("adapter");
  config.has_evaluate = has("evaluate");
  config.has_index = has("index");
  config.has_integrate = has("integrate");
  config.has_report = has("report");
  return parse_printed_config(print_config(config), "defaults");
}

Json read_object(const std::string& path) {
  Json json = read_json_file(path, std::size_t{64} << 20);
  if (!json.is_object()) throw_error(ErrorKind::kData, path, ": expected one JSON object");
  return json;
}

std::string text_in(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

void read_prompts(const std::string& artifact, RecordedRun& run) {
  const std::string path = artifact + "/config_sentence_transformers.json";
  Json prompts = Json::object();
  if (is_there(path))
    prompts = read_object(path).value("prompts", Json::object());
  else if (run.lineage.contains("adapter") && run.lineage["adapter"].is_object())
    prompts = run.lineage["adapter"].value("prompts", Json::object());
  if (!prompts.is_object()) return;
  run.query_prompt = text_in(prompts, "query");
  run.document_prompt = text_in(prompts, "document");
}

// The artifact's own tokenizer; of an adapter its base's, where that is a directory. Without one,
// lengths are told in words alone.
TextLimits read_limits(const std::string& artifact, const RecordedRun& run) {
  TextLimits limits;
  limits.query_prompt = run.query_prompt;
  limits.document_prompt = run.document_prompt;
  std::string model = artifact;
  if (const auto adapter = run.lineage.find("adapter");
      adapter != run.lineage.end() && adapter->is_object())
    model = text_in(*adapter, "base");
  const std::string st_config = model + "/sentence_bert_config.json";
  if (model.empty() || !is_there(st_config)) return limits;
  const Json length = read_object(st_config).value("max_seq_length", Json());
  if (!length.is_number_integer() || length < 1 || length > 10000000) return limits;
  try {
    limits.tokenizer = load_tokenizer(model);
    limits.max_length = length.get<int>();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kData) throw;  // of a kind that is not known here
  }
  return limits;
}

// Where a data set is now: as it was named, or in the run's own folder if that was moved.
std::string find_dataset(const std::string& directory, const std::string& named,
                         const char* generated) {
  const std::string own = directory + "/datasets/" + generated;
  if (named.empty() || (!is_there(named) && is_there(own))) return own;
  return named;
}

void read_training_data(const std::string& directory, const TextLimits& limits, RecordedRun& run) {
  std::vector<std::string> files = list_items(value_of(run.settings, "data.train"));
  if (files.empty()) files = {directory + "/datasets/train.json"};
  std::vector<DataFacts> parts;
  std::error_code ignored;
  for (const std::string& file : files) {
    if (!fs::exists(file, ignored)) {
      run.missing.push_back("The training data are not there any more (" + file +
                            "): nothing is told of them.");
      return;
    }
    parts.push_back(
        data_facts(file, limits, value_of(run.settings, "train.use_all_docs") == "true"));
  }
  run.train_data = joined_facts(parts);
  const std::string validation = find_dataset(
      directory, unquoted(value_of(run.settings, "data.validation")), "validation.json");
  if (is_there(validation))
    run.validation_data = data_facts(validation, limits, /*use_all_docs=*/true);
}

void each_line(const std::string& path, const std::function<void(const Json&)>& use) {
  if (!is_there(path)) return;
  LineReader lines(path);
  for (std::string_view line; lines.next(line);)
    use(parse_json(line, str_cat(path, ":", lines.line_number())));
}

// The document of a question is that of its right passage. Questions that people asked in a
// document have no generator.
void read_sources(const std::string& directory, RecordedRun& run) {
  const EmbeddingQAFinetuneDataset& test = *run.test;
  std::map<std::string, std::vector<std::int64_t>> queries_of;
  for (std::int64_t query = 0; query < test.queries.size(); ++query)
    if (!test.relevant_docs[query].empty())
      queries_of[test.corpus.id(test.relevant_docs[query].front())].push_back(query);
  each_line(directory + "/datasets/passages.jsonl", [&](const Json& json) {
    const auto found = queries_of.find(text_in(json, "id"));
    if (found == queries_of.end()) return;
    for (const std::int64_t query : found->second)
      run.sources[test.queries.id(query)].path = text_in(json, "path");
  });
  each_line(directory + "/datasets/questions.jsonl", [&](const Json& json) {
    const auto found = run.sources.find(text_in(json, "id"));
    if (found != run.sources.end() && text_in(json, "part") == "test")
      found->second.generator = text_in(json, "generator");
  });
}

void read_test(const std::string& directory, const TextLimits& limits, RecordedRun& run) {
  const QueryResults& results = *run.results;
  const std::string path = find_dataset(directory, results.dataset, "test.json");
  if (!is_there(path) || sha256_file(path) != results.dataset_sha256) {
    run.missing.push_back("The test set is not there any more as it was when it was measured (" +
                          results.dataset + "): its texts are not shown.");
    return;
  }
  run.test = EmbeddingQAFinetuneDataset::from_json(path);
  run.test_data = data_facts(path, limits, /*use_all_docs=*/true);
  read_sources(directory, run);
}

// Whether what was measured is the artifact that is there: its attune.json names its weights.
bool is_of_this_artifact(const std::string& directory, const RecordedRun& run) {
  const Json measured = run.told("evaluate", "artifact");
  const std::string sidecar = directory + "/artifact/attune.json";
  return !measured.is_string() || !is_there(sidecar) || measured == sha256_file(sidecar);
}

void read_results(const std::string& directory, bool with_texts, const TextLimits& limits,
                  RecordedRun& run) {
  const std::string path = directory + "/evaluation.queries.jsonl";
  if (!is_there(path) && has_section(run.settings, "evaluate")) {
    run.missing.push_back("The run has not come to its evaluation.");
  } else if (!is_there(path)) {
    run.missing.push_back(
        "The finetuned model was not measured against its base on a test set: add the section "
        "'evaluate' and data.test (or generate.question_pages), and run again.");
  } else if (!is_of_this_artifact(directory, run)) {
    run.missing.push_back(
        "What was measured is an earlier model than the one that is there now: run `attune run` "
        "again to measure this one.");
  } else {
    run.results = read_query_results(path);
    if (const std::string means = directory + "/evaluation.json"; is_there(means))
      run.evaluation = read_object(means);
    if (with_texts) read_test(directory, limits, run);
  }
}

}  // namespace

Json RecordedRun::told(const std::string& stage, const std::string& key) const {
  const auto found = stages.find(stage);
  return found == stages.end() ? Json() : found->second.result.value(key, Json());
}

bool RecordedRun::has_diverged() const { return log.diverged_at > 0 && !stages.contains("train"); }

RecordedRun read_run(const std::string& directory, bool with_texts) {
  const std::string config = directory + "/config.yaml";
  if (!is_there(config))
    throw_error(ErrorKind::kData, directory,
                ": no directory of a run: it holds no config.yaml; give an `output` of `attune "
                "run` or `attune train`");
  RecordedRun run;
  run.directory = directory;
  run.settings = parse_printed_config(read_file(config, std::size_t{1} << 20), config);
  run.defaults = defaults_of(run.settings);
  run.name = unquoted(value_of(run.settings, "name"));
  for (const char* stage : {"generate", "mine", "train", "evaluate", "index"})
    if (auto record = read_stage_record(directory, stage); record && record->finished)
      run.stages.emplace(stage, std::move(*record));
  const std::string log = directory + "/metrics.jsonl", artifact = directory + "/artifact";
  if (is_there(log))
    run.log = read_training_log(log);
  else
    run.missing.push_back("There is no metrics.jsonl: nothing was trained here yet.");
  if (is_there(artifact + "/attune.json")) run.lineage = read_object(artifact + "/attune.json");
  if (run.has_diverged())
    run.missing.push_back(str_cat("The training ended at step ", run.log.diverged_at,
                                  ", whose loss or gradient is no number and which changed no "
                                  "weight; the curves end there."));
  else if (is_there(log) && !run.stages.contains("train"))
    run.missing.push_back(
        "The training is not finished: the curves end where it stands. The same command goes on "
        "with it.");
  read_prompts(artifact, run);
  const TextLimits limits = with_texts ? read_limits(artifact, run) : TextLimits();
  if (with_texts && !run.log.steps.empty()) read_training_data(directory, limits, run);
  read_results(directory, with_texts, limits, run);
  return run;
}

}  // namespace attune
