#include "data/generation/llm_generation.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/request_pace.h"
#include "data/generation/answer_journal.h"
#include "data/generation/application_llm.h"
#include "data/generation/llm_openai.h"
#include "data/generation/question_parser.h"
#include "data/generation/question_prompt.h"

namespace attune {
namespace {

constexpr std::int64_t kMostFailuresInARow = 10;
constexpr std::int64_t kShownFailures = 5;
constexpr double kLongestRetryAfter = 600;
constexpr std::int64_t kTokensOfQuestion = 25;  // and its line, guessed
constexpr auto kLook = std::chrono::milliseconds(100);

std::int64_t guess_tokens(std::string_view text) {
  return static_cast<std::int64_t>(text.size() + 3) / 4;
}

double cost_of(const TokenUsage& usage, const LlmConfig& config) {
  return (static_cast<double>(usage.prompt) * config.price_prompt +
          static_cast<double>(usage.completion) * config.price_completion) /
         1e6;
}

QuestionPrompt prompt_of(const LlmConfig& config) {
  return config.prompt_file.empty() ? QuestionPrompt()
                                    : QuestionPrompt::from_file(config.prompt_file);
}

JournalHeader header_of(const Passages& passages, const LlmConfig& config,
                        const QuestionPrompt& prompt, int questions_per_passage) {
  return {fingerprint_of_passages(passages),
          std::ssize(passages.rows),
          config.model,
          sha256(prompt.text()),
          questions_per_passage,
          config.temperature};
}

// Asks for the rows that are given, from several threads.
class Asking {
 public:
  Asking(LLM& llm, const Passages& passages, const LlmConfig& config, const QuestionPrompt& prompt,
         int questions_per_passage, AnswerJournal& journal, std::uint64_t seed)
      : llm_(llm),
        passages_(passages),
        config_(config),
        prompt_(prompt),
        questions_per_passage_(questions_per_passage),
        journal_(journal),
        seed_(seed),
        pace_(config.requests_per_minute, config.tokens_per_minute) {}

  // Adds to `counts` what was asked; throws as generate_with_llm does.
  void run(const std::vector<std::int64_t>& rows, const StopRequested& stop, LlmCounts& counts);

 private:
  void work();
  Completion ask(std::int64_t row);
  void close(std::int64_t row, const Completion& completion);
  void wait_and_show(const StopRequested& stop);
  std::string account() const;

  LLM& llm_;
  const Passages& passages_;
  const LlmConfig& config_;
  const QuestionPrompt& prompt_;
  int questions_per_passage_;
  AnswerJournal& journal_;
  std::uint64_t seed_;
  RequestPace pace_;
  const std::vector<std::int64_t>* rows_ = nullptr;
  std::atomic<std::int64_t> next_{0};
  std::atomic<bool> give_up_{false};

  std::mutex mutex_;  // of everything below, and of the journal
  std::condition_variable changed_;
  LlmCounts counts_;
  std::int64_t failures_in_a_row_ = 0;
  std::string last_failure_;
  int at_work_ = 0;
  bool interrupted_ = false;
  std::exception_ptr error_;
};

void Asking::run(const std::vector<std::int64_t>& rows, const StopRequested& stop,
                 LlmCounts& counts) {
  rows_ = &rows;
  {
    std::vector<std::jthread> workers;  // joined at the end of this scope
    at_work_ = static_cast<int>(std::min<std::int64_t>(config_.concurrency, std::ssize(rows)));
    workers.reserve(at_work_);
    for (int i = at_work_; i > 0; --i) workers.emplace_back([this] { work(); });
    wait_and_show(stop);
  }
  counts.asked += counts_.asked;
  counts.failed += counts_.failed;
  counts.requests += counts_.requests;
  counts.retries += counts_.retries;
  counts.usage += counts_.usage;
  if (error_) std::rethrow_exception(error_);
  if (interrupted_ && counts_.asked + counts_.failed < std::ssize(rows))
    throw_error(ErrorKind::kInterrupted, "stopped while asking ", config_.model, ": ",
                counts_.asked, " of ", rows.size(),
                " passages were answered, and their answers are kept: the same command goes on");
  if (counts.asked + counts.from_journal == 0)
    throw_error(ErrorKind::kFailed, "none of ", rows.size(),
                " passages got an answer, the last: ", last_failure_);
}

void Asking::work() {
  try {
    for (std::int64_t i; !give_up_ && (i = next_.fetch_add(1)) < std::ssize(*rows_);) {
      const std::int64_t row = (*rows_)[i];
      close(row, ask(row));
    }
  } catch (...) {
    const std::scoped_lock lock(mutex_);
    if (!error_) error_ = std::current_exception();
    give_up_ = true;
  }
  const std::scoped_lock lock(mutex_);
  --at_work_;
  changed_.notify_all();
}

// All attempts of one passage.
Completion Asking::ask(std::int64_t row) {
  const ChatRequest request{prompt_.render(passages_.rows[row].text, questions_per_passage_),
                            config_.structured == "text" ? std::string() : question_schema()};
  const std::int64_t expected =
      guess_tokens(request.prompt) + questions_per_passage_ * kTokensOfQuestion;
  const StopRequested stop = [this] { return give_up_.load(); };
  Completion stopped;
  stopped.status = Completion::Status::kStopped;
  for (int attempt = 1;; ++attempt) {
    if (!pace_.wait_turn(expected, stop)) return stopped;
    Completion completion = llm_.complete(request, stop);
    const std::int64_t used = completion.usage.prompt + completion.usage.completion;
    pace_.correct(completion.requests - 1, used > 0 ? used - expected : 0);
    {
      const std::scoped_lock lock(mutex_);
      counts_.requests += completion.requests;
      counts_.usage += completion.usage;
      if (attempt > 1) ++counts_.retries;
    }
    if (completion.status == Completion::Status::kAnswered &&
        find_invalid_utf8(completion.text) != std::string::npos) {
      completion.status = Completion::Status::kTryAgain;
      completion.problem = "the answer is not UTF-8";
    }
    // Not kept: with more tokens it would be one (a model that reasons aloud, for instance).
    if (completion.status == Completion::Status::kAnswered && completion.cut_off &&
        parse_questions(completion.text, true).empty()) {
      completion.status = Completion::Status::kRefused;
      completion.problem = "the answer ended at llm.max_tokens before its first question: raise it";
    }
    if (completion.status != Completion::Status::kTryAgain || attempt == config_.attempts)
      return completion;
    // A server that names a time means everybody.
    if (completion.retry_after_seconds > 0)
      pace_.pause(
          std::min(static_cast<double>(completion.retry_after_seconds), kLongestRetryAfter));
    else if (!wait_for(backoff_seconds(config_.retry_seconds, attempt, seed_, row), stop))
      return stopped;
  }
}

void Asking::close(std::int64_t row, const Completion& completion) {
  if (completion.status == Completion::Status::kStopped) return;
  const std::scoped_lock lock(mutex_);
  const std::string& id = passages_.rows[row].id;
  if (completion.status == Completion::Status::kAnswered) {
    journal_.add(id, {completion.text, completion.cut_off, completion.usage});
    ++counts_.asked;
    failures_in_a_row_ = 0;
    return;
  }
  ++counts_.failed;
  ++failures_in_a_row_;
  const std::string& what = last_failure_ = str_cat("passage ", id, ": ", completion.problem);
  if (config_.on_failure == "fail")
    throw_error(ErrorKind::kFailed, what,
                "; what was answered is kept, the same command goes on "
                "(llm.on_failure: continue leaves such passages out)");
  if (failures_in_a_row_ == kMostFailuresInARow)
    throw_error(ErrorKind::kFailed, kMostFailuresInARow,
                " passages in a row got no answer, the last one: ", what,
                "; what was answered is kept, the same command goes on");
  if (counts_.failed <= kShownFailures)
    log_warning(
        str_cat(what, counts_.failed == kShownFailures ? " (further ones are counted)" : ""));
}

void Asking::wait_and_show(const StopRequested& stop) {
  Progress progress(str_cat("asking ", config_.model), std::ssize(*rows_));
  std::unique_lock lock(mutex_);
  while (at_work_ > 0) {
    changed_.wait_for(lock, kLook);
    const std::int64_t done = counts_.asked + counts_.failed;
    const std::string detail = account();
    lock.unlock();
    progress.update(done, detail);
    const bool now = stop && stop();
    lock.lock();
    if (now) {
      interrupted_ = true;
      give_up_ = true;
    }
  }
  progress.update(counts_.asked + counts_.failed);
  progress.finish(account());
}

// With the mutex held.
std::string Asking::account() const {
  std::string out;
  if (counts_.failed > 0) out += str_cat(counts_.failed, " failed, ");
  if (counts_.retries > 0) out += str_cat(counts_.retries, " repeated, ");
  out += str_cat(counts_.usage.prompt, " + ", counts_.usage.completion, " tokens");
  if (config_.price_prompt > 0 || config_.price_completion > 0) {
    char text[32];
    std::snprintf(text, sizeof text, ", cost %.4f", cost_of(counts_.usage, config_));
    out += text;
  }
  return out;
}

// The questions in the journal's answers.
void read_answers(const Passages& passages, const AnswerJournal& journal, int wanted,
                  GenerationOutcome& outcome) {
  LlmCounts& counts = outcome.counts;
  for (std::int64_t row = 0; row < std::ssize(passages.rows); ++row) {
    const auto found = journal.answers().find(passages.rows[row].id);
    if (found == journal.answers().end()) continue;
    std::vector<std::string> questions = parse_questions(found->second.text, found->second.cut_off);
    const std::int64_t missing = wanted - std::ssize(questions);
    if (missing > 0) {
      ++counts.short_answers;
      counts.missing_questions += missing;
    } else {
      counts.surplus_questions -= missing;
      questions.resize(wanted);
    }
    for (std::string& question : questions)
      outcome.questions.push_back({std::move(question), row, "llm"});
  }
  counts.questions = std::ssize(outcome.questions);
}

// `make` gives the model, and is called only where there is something to ask.
template <class Make>
GenerationOutcome generate(const Make& make, const Passages& passages, const LlmConfig& config,
                           int questions_per_passage, const std::string& journal_path,
                           std::uint64_t seed, const StopRequested& stop) {
  ATTUNE_ASSERT(questions_per_passage > 0 && config.concurrency > 0 && config.attempts > 0);
  const QuestionPrompt prompt = prompt_of(config);
  AnswerJournal journal(journal_path, header_of(passages, config, prompt, questions_per_passage),
                        passages);
  GenerationOutcome outcome;
  outcome.counts.passages = std::ssize(passages.rows);
  std::vector<std::int64_t> rows;
  for (std::int64_t row = 0; row < std::ssize(passages.rows); ++row) {
    const auto found = journal.answers().find(passages.rows[row].id);
    if (found == journal.answers().end()) {
      rows.push_back(row);
    } else {
      ++outcome.counts.from_journal;
      outcome.counts.earlier_usage += found->second.usage;
    }
  }
  if (!rows.empty())
    Asking(make(), passages, config, prompt, questions_per_passage, journal, seed)
        .run(rows, stop, outcome.counts);
  outcome.counts.cost = cost_of(outcome.counts.usage, config);
  outcome.counts.earlier_cost = cost_of(outcome.counts.earlier_usage, config);
  read_answers(passages, journal, questions_per_passage, outcome);
  return outcome;
}

}  // namespace

GenerationOutcome generate_with_llm(LLM& llm, const Passages& passages, const LlmConfig& config,
                                    int questions_per_passage, const std::string& journal_path,
                                    std::uint64_t seed, const StopRequested& stop) {
  return generate([&]() -> LLM& { return llm; }, passages, config, questions_per_passage,
                  journal_path, seed, stop);
}

GenerationOutcome generate_with_llm(const Passages& passages, const LlmConfig& config,
                                    int questions_per_passage, const std::string& journal_path,
                                    std::uint64_t seed, const StopRequested& stop) {
  std::unique_ptr<LLM> server;
  return generate(
      [&]() -> LLM& {
        if (config.url == kApplicationLlm)
          server = make_application_llm(config.model);
        else
          server = std::make_unique<OpenAILike>(config);
        return *server;
      },
      passages, config, questions_per_passage, journal_path, seed, stop);
}

LlmEstimate estimate_llm(const Passages& passages, const LlmConfig& config,
                         int questions_per_passage, const std::string& journal_path,
                         const CountTokens& count_tokens) {
  const QuestionPrompt prompt = prompt_of(config);
  const JournaledAnswers answers = read_journal(
      journal_path, header_of(passages, config, prompt, questions_per_passage), passages);
  LlmEstimate estimate;
  estimate.from_journal = std::ssize(answers);
  for (const Passage& passage : passages.rows) {
    if (answers.contains(passage.id)) continue;
    const std::string text = prompt.render(passage.text, questions_per_passage);
    ++estimate.requests;
    estimate.usage.prompt += count_tokens ? count_tokens(text) : guess_tokens(text);
    estimate.usage.completion += questions_per_passage * kTokensOfQuestion;
  }
  estimate.cost = cost_of(estimate.usage, config);
  const auto seconds = [](std::int64_t count, int a_minute) {
    return a_minute > 0 ? 60.0 * static_cast<double>(count) / a_minute : 0.0;
  };
  estimate.least_seconds = std::max(
      seconds(estimate.requests, config.requests_per_minute),
      seconds(estimate.usage.prompt + estimate.usage.completion, config.tokens_per_minute));
  return estimate;
}

}  // namespace attune
