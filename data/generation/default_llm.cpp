#include "data/generation/default_llm.h"

#include <array>
#include <mutex>
#include <utility>

#include "core/error.h"
#include "core/served_model.h"
#include "core/user_settings.h"
#include "data/generation/application_llm.h"

namespace attune {
namespace {

std::mutex mutex;
std::string set_by_application;  // the name of the object, where there is one
std::shared_ptr<LanguageModel> object;
std::string (*asked_instead)() = nullptr;

const std::string kOfObject = std::string(kApplicationLlm) + ":";

LlmConfig parse(const std::string& name, const std::string& place) {
  constexpr std::array<std::string_view, 1> kSettings = {"api_key_env"};
  const ServedModel served = parse_served_model(name, kSettings, place);
  LlmConfig config;
  config.url = served.url;
  config.model = served.model;
  if (const auto key = served.settings.find("api_key_env"); key != served.settings.end())
    config.api_key_env = key->second;
  return config;
}

// What the application's model answers, as a server's.
class ApplicationLlm : public LLM {
 public:
  explicit ApplicationLlm(std::shared_ptr<LanguageModel> model) : model_(std::move(model)) {}
  Completion complete(const ChatRequest& request, const StopRequested& stop) override {
    Completion answer;
    if (stop && stop()) {
      answer.status = Completion::Status::kStopped;
      return answer;
    }
    try {
      answer.text = model_->complete(request.prompt);
    } catch (const std::exception& error) {
      answer.status = Completion::Status::kTryAgain;
      answer.problem = error.what();
    }
    return answer;
  }

 private:
  std::shared_ptr<LanguageModel> model_;
};

}  // namespace

void set_default_llm(const std::string& name) {
  if (!name.empty()) parse(name, "Settings::set_llm()");
  const std::scoped_lock lock(mutex);
  set_by_application = name;
  object = nullptr;
}

void set_default_llm(std::shared_ptr<LanguageModel> model) {
  if (!model || model->name().empty())
    throw_error(ErrorKind::kConfig,
                "Settings::set_llm(): the model is null, or has no name() by which its answers are "
                "known");
  std::string name = kOfObject + model->name();
  const std::scoped_lock lock(mutex);
  set_by_application = std::move(name);
  object = std::move(model);
}

void ask_for_default_llm(std::string (*name)()) { asked_instead = name; }

std::unique_ptr<LLM> make_application_llm(const std::string& name) {
  const std::scoped_lock lock(mutex);
  if (!object || set_by_application != kOfObject + name)
    throw_error(ErrorKind::kConfig, "generate.llm.url is '", kApplicationLlm,
                "': the questions are to be written by the model '", name,
                "' of an application, which gives it with attune::Settings::set_llm(); ",
                object ? "another one is set" : "none is set");
  return std::make_unique<ApplicationLlm>(object);
}

std::string default_llm_name() {
  if (asked_instead != nullptr) return asked_instead();
  {
    const std::scoped_lock lock(mutex);
    if (!set_by_application.empty()) return set_by_application;
  }
  return user_setting("llm").value_or("");
}

std::optional<LlmConfig> default_llm() {
  const std::string name = default_llm_name();
  if (name.empty()) return std::nullopt;
  if (name.starts_with(kOfObject)) {
    LlmConfig config;
    config.url = kApplicationLlm;
    config.model = name.substr(kOfObject.size());
    return config;
  }
  return parse(name, user_variable("llm") + " or llm in " + user_settings_path());
}

}  // namespace attune
