#include <attune/aliases.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "core/alias_registry.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"

namespace attune {
namespace {

constexpr std::chrono::seconds kBetweenWrites{5};
constexpr std::size_t kLongestOutcome = 64;
using Clock = std::chrono::steady_clock;

// A model that is loaded once, by whoever needs it first; others who need it wait.
struct LoadedModel {
  std::mutex mutex;
  std::shared_ptr<const BaseEmbedding> embedding;
};

}  // namespace

struct AliasedModel::State {
  State(std::string name, EmbedOptions given) : alias(std::move(name)), options(std::move(given)) {
    read();
    writer = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        {
          std::unique_lock lock(counting);
          wake.wait_for(lock, stop, kBetweenWrites, [] { return false; });
        }
        try_to_write();
      }
    });
  }

  // With `reading` locked.
  void read() {
    const std::int64_t now = registry.changes();
    if (now == seen) return;
    version = registry.get(alias);
    seen = now;
    std::map<std::string, std::shared_ptr<LoadedModel>> kept;
    for (const AliasArm& arm : version.arms) {
      const auto [found, is_new] = kept.try_emplace(arm.path + "\n" + arm.sha256);
      if (const auto old = models.find(found->first); old != models.end())
        found->second = old->second;
      else
        found->second = std::make_shared<LoadedModel>();
    }
    models = std::move(kept);
  }

  std::shared_ptr<const BaseEmbedding> load(const AliasArm& arm, LoadedModel& model) const {
    const std::lock_guard lock(model.mutex);
    if (!model.embedding) {
      check_arm(alias, arm);
      model.embedding = resolve_embed_model("local:" + arm.path, options);
    }
    return model.embedding;
  }

  // `what` changes the counts of one arm.
  template <class Change>
  void count(std::int64_t of_version, const std::string& model, const Change& change) {
    const std::lock_guard lock(counting);
    change(counted[{of_version, model}]);
  }

  void write() {
    const std::lock_guard lock(writing);
    std::map<std::pair<std::int64_t, std::string>, ArmUse> taken;
    {
      const std::lock_guard also(counting);
      taken.swap(counted);
    }
    while (!taken.empty()) {
      const auto& [arm, use] = *taken.begin();
      try {
        counts.add_use(arm.first, arm.second, use);
      } catch (...) {  // counted again, with what has come meanwhile
        const std::lock_guard also(counting);
        for (const auto& [left, of_left] : taken) {
          ArmUse& sum = counted[left];
          sum.requests += of_left.requests;
          sum.microseconds += of_left.microseconds;
          for (const auto& [name, number] : of_left.outcomes) sum.outcomes[name] += number;
        }
        throw;
      }
      taken.erase(taken.begin());
    }
  }

  // Whoever serves does not depend on the counts.
  void try_to_write() {
    try {
      write();
    } catch (const std::exception& error) {
      log_warning(str_cat("alias '", alias, "': requests are not counted yet: ", error.what()));
    }
  }

  const std::string alias;
  const EmbedOptions options;
  std::mutex reading, counting, writing;
  AliasRegistry registry, counts;  // of `reading` and of `writing`
  std::int64_t seen = -1;
  AliasVersion version;
  std::map<std::string, std::shared_ptr<LoadedModel>> models;      // by directory and attune.json
  std::map<std::pair<std::int64_t, std::string>, ArmUse> counted;  // not written yet
  std::condition_variable_any wake;
  std::jthread writer;
};

struct AliasedRequest::State {
  std::shared_ptr<AliasedModel::State> alias;
  std::int64_t version;
  std::string model;
  std::shared_ptr<const BaseEmbedding> embedding;
  Clock::time_point begun;
  bool is_done = false;
};

AliasedModel::AliasedModel(const std::string& alias, const EmbedOptions& options)
    : state_(std::make_shared<State>(alias, options)) {}

// Requests may live longer: what they report after this is not written.
AliasedModel::~AliasedModel() {
  state_->writer.request_stop();
  state_->writer.join();
  state_->try_to_write();
}

AliasedRequest AliasedModel::request(std::string_view key) const {
  auto state = std::make_unique<AliasedRequest::State>();
  state->alias = state_;
  state->begun = Clock::now();
  AliasArm arm;
  std::shared_ptr<LoadedModel> model;
  {
    const std::lock_guard lock(state_->reading);
    state_->read();
    state->version = state_->version.number;
    arm = arm_for(state_->version, key);
    model = state_->models.at(arm.path + "\n" + arm.sha256);
  }
  state->model = arm.model;
  state->embedding = state_->load(arm, *model);
  return AliasedRequest(std::move(state));
}

void AliasedModel::flush() { state_->write(); }

AliasedRequest::AliasedRequest(std::unique_ptr<State> state) : state_(std::move(state)) {}
AliasedRequest::AliasedRequest(AliasedRequest&& other) noexcept = default;
AliasedRequest::~AliasedRequest() { done(); }

const BaseEmbedding& AliasedRequest::embedding() const { return *state_->embedding; }
const std::string& AliasedRequest::model() const { return state_->model; }

void AliasedRequest::report(const std::string& outcome, std::int64_t count) const {
  if (outcome.empty() || outcome.size() > kLongestOutcome ||
      find_invalid_utf8(outcome) != std::string::npos || count < 0)
    throw_error(ErrorKind::kConfig, "alias '", state_->alias->alias, "': the outcome '", outcome,
                "' ", count, " times: expected a name of 1 to ", kLongestOutcome,
                " bytes of UTF-8, and at least 0");
  state_->alias->count(state_->version, state_->model,
                       [&](ArmUse& use) { use.outcomes[outcome] += count; });
}

void AliasedRequest::done() {
  if (!state_ || state_->is_done) return;
  state_->is_done = true;
  const auto time =
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - state_->begun);
  state_->alias->count(state_->version, state_->model, [&](ArmUse& use) {
    ++use.requests;
    use.microseconds += time.count();
  });
}

}  // namespace attune
