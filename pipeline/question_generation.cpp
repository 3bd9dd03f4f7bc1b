#include "pipeline/question_generation.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/log.h"
#include "data/chunks/chunker.h"
#include "data/generation/llm_generation.h"
#include "data/generation/offline_generators.h"
#include "data/generation/question_filters.h"
#include "data/tokenizers/tokenizer.h"
#include "models/model_directory.h"
#include "pipeline/base_model.h"
#include "retrieval/round_trip.h"

namespace attune {
namespace {

constexpr const char* kVersion = "2";         // of what is made of equal inputs
constexpr std::size_t kMaxNamedFiles = 2000;  // in the stage's record; of more the whole alone

// Length before text, so that no two lists of texts are fed alike.
void feed(Sha256& hash, const std::string& text) {
  hash.update(str_cat(text.size(), ":")).update(text);
}

void feed(Sha256& hash, const Document& document) {
  feed(hash, str_cat(document.root, " ", document.relative));
  feed(hash, document.content.title);
  for (const Section& section : document.content.sections) {
    for (const std::string& heading : section.path) feed(hash, heading);
    feed(hash, section.text);
    feed(hash, std::to_string(section.page));
  }
}

// By file, so that a run can say which changed; of many all in one.
std::map<std::string, Fingerprint> fingerprints_of(const std::vector<Document>& documents) {
  std::map<std::string, Sha256> by_file;
  Sha256 all, order;  // the order decides too
  for (const Document& document : documents) {
    feed(all, document);
    feed(order, str_cat(document.root, " ", document.relative));
    if (by_file.size() <= kMaxNamedFiles) feed(by_file[document.path], document);
  }
  if (by_file.size() > kMaxNamedFiles) return {{"documents", all.hex()}};
  std::map<std::string, Fingerprint> fingerprints = {{"order of the documents", order.hex()}};
  for (auto& [path, hash] : by_file) fingerprints["document " + path] = hash.hex();
  return fingerprints;
}

std::string summary_of(const LlmCounts& counts) {
  return str_cat(counts.asked, " passages asked about in ", counts.requests, " requests, ",
                 counts.from_journal, " answered before, ", counts.failed, " without an answer, ",
                 counts.missing_questions, " questions fewer than asked for, ",
                 counts.usage.prompt + counts.earlier_usage.prompt, " tokens of prompts, ",
                 counts.usage.completion + counts.earlier_usage.completion, " of answers, cost ",
                 Json(counts.cost + counts.earlier_cost).dump());
}

Json account_of(const LlmCounts& counts) {
  return {{"requests", counts.requests},
          {"prompt_tokens", counts.usage.prompt + counts.earlier_usage.prompt},
          {"completion_tokens", counts.usage.completion + counts.earlier_usage.completion},
          {"cost", counts.cost + counts.earlier_cost}};
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

}  // namespace

QuestionGeneration::QuestionGeneration(const RunConfig& config)
    : config_(config), read_(read_documents(config.documents)) {
  const std::string base = resolve_model_path(config.model.base);
  tokenizer_ = load_model_tokenizer(read_model_directory(base));
  inputs_.settings = settings_of(config.chunks, "chunks");
  inputs_.settings.merge(settings_of(config.generate, "generate"));
  inputs_.settings["seed"] = std::to_string(config.seed);
  inputs_.settings["what 'generate' does"] = kVersion;
  inputs_.files = fingerprints_of(read_.documents);
  inputs_.files["tokenizer of model.base"] = tokenizer_->fingerprint();
  if (config.generate.round_trip > 0) {  // its model decides too
    inputs_.files["model.base"] = fingerprint_model_files(base);
    inputs_.settings.merge(settings_of(config.model, "model"));
    inputs_.settings.erase("model.base");
  }
}

void QuestionGeneration::cut() {
  passages_ = make_passages(read_.documents, config_.chunks, *tokenizer_);
  parts_ = split_documents(read_.documents, config_.generate.split, config_.seed);
}

Passages QuestionGeneration::passages_to_ask_about(const std::vector<std::int64_t>& rows) const {
  Passages chosen;
  for (const std::int64_t row : rows) chosen.rows.push_back(passages_.rows[row]);
  return chosen;
}

GenerationEstimate QuestionGeneration::estimate() const {
  const GenerateConfig& generate = config_.generate;
  const Passages asked = passages_to_ask_about(passages_to_ask(passages_, parts_, generate.split));
  GenerationEstimate estimate;
  estimate.passages_to_ask = std::ssize(asked.rows);
  if (generate.method == "llm")
    estimate.llm =
        estimate_llm(asked, generate.llm, generate.questions_per_passage, journal_path(),
                     [&](std::string_view text) {
                       std::vector<std::int32_t> ids;
                       tokenizer_->encode("", text, std::numeric_limits<int>::max(), ids);
                       return std::ssize(ids);
                     });
  return estimate;
}

void QuestionGeneration::ask(const StopRequested& stop) {
  const GenerateConfig& generate = config_.generate;
  const std::vector<std::int64_t> rows = passages_to_ask(passages_, parts_, generate.split);
  const Passages asked = passages_to_ask_about(rows);
  if (generate.method == "offline") {
    questions_ =
        generate_offline(asked, generate.generators, generate.questions_per_passage, config_.seed);
  } else {
    GenerationOutcome outcome = generate_with_llm(
        asked, generate.llm, generate.questions_per_passage, journal_path(), config_.seed, stop);
    questions_ = std::move(outcome.questions);
    answers_ = summary_of(outcome.counts);
    llm_account_ = account_of(outcome.counts);
  }
  const FilterCounts filtered = filter_questions(questions_, asked, generate.filters);
  for (const auto& [rule, count] : filtered.dropped)
    if (count > 0) dropped_.push_back(str_cat(count, " ", rule));
  for (Question& question : questions_) question.passage = rows[question.passage];
  if (generate.round_trip > 0) keep_round_trips();
  datasets_ = make_question_datasets(passages_, questions_, parts_, generate.split);
}

// A question is kept where the base model finds its passage among the first few.
void QuestionGeneration::keep_round_trips() {
  const auto model = resolve_embed_model(config_.model.base, base_embed_options(config_));
  std::vector<std::string_view> questions, passages;
  std::vector<std::int64_t> passage_of;
  for (const Passage& passage : passages_.rows) passages.push_back(passage.text);
  for (const Question& question : questions_) {
    questions.push_back(question.text);
    passage_of.push_back(question.passage);
  }
  log_info(str_cat("generate: ranking ", questions.size(), " questions over ", passages.size(),
                   " passages"));
  const RoundTrip found =
      keep_round_trip(*model, questions, passage_of, passages, config_.generate.round_trip);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < questions_.size(); ++i) {
    if (!found.keep[i]) continue;
    if (kept != i)
      questions_[kept] = std::move(questions_[i]);  // moved to itself it would be empty
    ++kept;
  }
  questions_.resize(kept);
  dropped_.push_back(str_cat(found.dropped, " not found again by the base model"));
}

std::string QuestionGeneration::summary() const {
  std::map<std::string, std::int64_t> by_generator;
  for (const Question& question : questions_) ++by_generator[question.generator];
  std::vector<std::string> generators;
  for (const auto& [name, count] : by_generator) generators.push_back(str_cat(count, " by ", name));
  const Passages& p = passages_;
  return str_cat(p.documents, " documents, ", p.sections, " sections, ", p.rows.size(),
                 " passages (left out: ", p.skipped_short, " short, ", p.skipped_equal, " equal, ",
                 p.skipped_near_equal, " nearly equal); ", answers_.empty() ? "" : answers_ + "; ",
                 questions_.size(), " questions (", joined(generators),
                 "; left out: ", joined(dropped_), "); ", datasets_.train_pairs,
                 " training pairs, ", datasets_.validation_pairs, " validation pairs, ",
                 datasets_.test.queries.size(), " test questions (left out: ", datasets_.leaking,
                 " that would leak into training, ", datasets_.repeating,
                 " whose answer repeats the question, ", datasets_.ambiguous, " ambiguous)");
}

}  // namespace attune
