// What an application uses without naming it each time: one for the process, as LlamaIndex's
// Settings.
//
//   attune::Settings::set_embed_model("local:runs/my-run/artifact");     // or an object
//   auto index = attune::VectorStoreIndex::from_documents(nodes, "my-index");
//   {
//     attune::Settings::Scope scope(attune::Settings::Component::kRetriever, "prod");
//     index.as_retriever(5).retrieve("how is it done?");                  // asks "prod"
//   }
//
// A model named by a string is loaded when it is first asked for, and then once. Components ask at
// each of their calls, so that a change takes effect at the next. A model that was handed out stays
// usable. All functions are thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <attune/base_embedding.h>
#include <attune/embedding_services.h>
#include <attune/llm.h>

namespace attune {

class ATTUNE_PUBLIC Settings {
 public:
  // Who asks: VectorStoreIndex where it embeds nodes, its retriever, evaluation.
  enum class Component : std::uint8_t { kIndex, kRetriever, kEvaluator };

  // Error{kConfig}: a null object.
  static void set_embed_model(std::shared_ptr<const BaseEmbedding> model);
  // What resolve_embed_model takes; its errors come when it is first asked for, at each asking.
  static void set_embed_model(const std::string& model, const EmbedOptions& options = {});
  // Where none was set: "default" of resolve_embed_model, so what the user chose, or its error.
  static std::shared_ptr<const BaseEmbedding> embed_model();
  // Of the newest Scope of that component, else embed_model().
  static std::shared_ptr<const BaseEmbedding> embed_model(Component component);

  // Heard by every model that is handed out from now on, beside the model's own callbacks.
  // Error{kConfig}: a null one.
  static void add_callback(std::shared_ptr<EmbeddingCallback> callback);
  static void remove_callback(const std::shared_ptr<EmbeddingCallback>& callback);

  // The language model of question generation where a configuration names none (generate.llm):
  // MODEL@https://HOST/v1?api_key_env=NAME. Error{kConfig}: what is not written so.
  static void set_llm(const std::string& model);
  // One of the application's own. Error{kConfig}: a null one, or one without a name.
  static void set_llm(std::shared_ptr<LanguageModel> model);
  // Of an object "application:NAME". Where none was set: $ATTUNE_LLM, or llm in the user's
  // settings.json; empty: none.
  static std::string llm();

  static void reset();  // as at the start of the process; scopes stay

  // Another model for one component of the whole process, as long as the scope lives.
  class ATTUNE_PUBLIC Scope {
   public:
    Scope(Component component, std::shared_ptr<const BaseEmbedding> model);
    Scope(Component component, const std::string& model, const EmbedOptions& options = {});
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    std::uint64_t id_;
  };
};

}  // namespace attune
