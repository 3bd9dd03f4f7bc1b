#include <attune/settings.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "core/error.h"
#include "data/generation/application_llm.h"
#include "data/generation/default_llm.h"

namespace attune {
namespace {

using Model = std::shared_ptr<const BaseEmbedding>;

// A model by object, or by name and then loaded once.
class Choice {
 public:
  explicit Choice(Model model) : model_(std::move(model)) {
    if (!model_)
      throw_error(ErrorKind::kConfig,
                  "Settings: the embedding model is null; \"disabled\" is a model that refuses");
  }
  Choice(std::string name, EmbedOptions options)
      : name_(std::move(name)), options_(std::move(options)) {}
  Model get() {
    const std::scoped_lock lock(mutex_);
    if (!model_) model_ = resolve_embed_model(name_, options_);
    return model_;
  }

 private:
  std::mutex mutex_;
  std::string name_;
  EmbedOptions options_;
  Model model_;
};

// The one callback that models get: it hands on to those that Settings have at the time.
class HandedOn : public EmbeddingCallback {
 public:
  void on_embedding_start(const EmbeddingStart& start) override {
    for (const auto& callback : all()) callback->on_embedding_start(start);
  }
  void on_embedding_end(const EmbeddingEnd& end) override {
    for (const auto& callback : all()) callback->on_embedding_end(end);
  }
  std::vector<std::shared_ptr<EmbeddingCallback>> all() const {
    const std::scoped_lock lock(mutex_);
    return callbacks_;
  }
  void change(const std::function<void(std::vector<std::shared_ptr<EmbeddingCallback>>&)>& with) {
    const std::scoped_lock lock(mutex_);
    with(callbacks_);
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<EmbeddingCallback>> callbacks_;
};

struct Override {
  std::uint64_t id;
  Settings::Component component;
  std::shared_ptr<Choice> choice;
};

struct Process {
  std::mutex mutex;
  std::shared_ptr<Choice> chosen = std::make_shared<Choice>("default", EmbedOptions());
  std::vector<Override> overrides;  // oldest first
  std::uint64_t next_id = 0;
  std::shared_ptr<HandedOn> callbacks = std::make_shared<HandedOn>();
};

Process& process() {
  static Process* const one = new Process;  // also for threads that outlive main()
  return *one;
}

void choose(std::shared_ptr<Choice> choice) {
  const std::scoped_lock lock(process().mutex);
  process().chosen = std::move(choice);
}

std::uint64_t add_override(Settings::Component component, std::shared_ptr<Choice> choice) {
  const std::scoped_lock lock(process().mutex);
  process().overrides.push_back({process().next_id, component, std::move(choice)});
  return process().next_id++;
}

// Loading takes place outside of the process's lock.
Model with_callbacks(Choice& choice) {
  Model model = choice.get();
  const auto& callbacks = process().callbacks;
  if (!callbacks->all().empty()) model->add_callback(callbacks);
  return model;
}

}  // namespace

void Settings::set_embed_model(std::shared_ptr<const BaseEmbedding> model) {
  choose(std::make_shared<Choice>(std::move(model)));
}

void Settings::set_embed_model(const std::string& model, const EmbedOptions& options) {
  choose(std::make_shared<Choice>(model, options));
}

std::shared_ptr<const BaseEmbedding> Settings::embed_model() {
  std::shared_ptr<Choice> choice;
  {
    const std::scoped_lock lock(process().mutex);
    choice = process().chosen;
  }
  return with_callbacks(*choice);
}

std::shared_ptr<const BaseEmbedding> Settings::embed_model(Component component) {
  std::shared_ptr<Choice> choice;
  {
    const std::scoped_lock lock(process().mutex);
    choice = process().chosen;
    for (const Override& other : process().overrides)
      if (other.component == component) choice = other.choice;
  }
  return with_callbacks(*choice);
}

void Settings::add_callback(std::shared_ptr<EmbeddingCallback> callback) {
  if (!callback) throw_error(ErrorKind::kConfig, "Settings::add_callback(): the callback is null");
  process().callbacks->change([&](auto& all) {
    if (std::find(all.begin(), all.end(), callback) == all.end())
      all.push_back(std::move(callback));
  });
}

void Settings::remove_callback(const std::shared_ptr<EmbeddingCallback>& callback) {
  process().callbacks->change([&](auto& all) { std::erase(all, callback); });
}

void Settings::set_llm(const std::string& model) { set_default_llm(model); }

void Settings::set_llm(std::shared_ptr<LanguageModel> model) { set_default_llm(std::move(model)); }

std::string Settings::llm() { return default_llm_name(); }

void Settings::reset() {
  choose(std::make_shared<Choice>("default", EmbedOptions()));
  process().callbacks->change([](auto& all) { all.clear(); });
  set_default_llm(std::string());
}

Settings::Scope::Scope(Component component, std::shared_ptr<const BaseEmbedding> model)
    : id_(add_override(component, std::make_shared<Choice>(std::move(model)))) {}

Settings::Scope::Scope(Component component, const std::string& model, const EmbedOptions& options)
    : id_(add_override(component, std::make_shared<Choice>(model, options))) {}

Settings::Scope::~Scope() {
  const std::scoped_lock lock(process().mutex);
  std::erase_if(process().overrides, [&](const Override& other) { return other.id == id_; });
}

}  // namespace attune
