// A language model of the application's own that writes the questions of `generate`:
//
//   attune::Settings::set_llm(std::make_shared<MyModel>());            // attune/settings.h
//   return attune::run_program(argc, argv);                            // generate.method: llm
//
// A model behind a server with OpenAI's API needs none: its name is enough.
#pragma once

#include <string>

#include <attune/base_embedding.h>  // ATTUNE_PUBLIC

namespace attune {

class ATTUNE_PUBLIC LanguageModel {
 public:
  virtual ~LanguageModel() = default;
  // By which its answers are known in the journal of a run: another model has another name.
  virtual std::string name() const = 0;
  // The answer, UTF-8. Called on several threads (generate.llm.concurrency). An exception is an
  // attempt that failed: the prompt is asked again, as one that a server could not answer.
  virtual std::string complete(const std::string& prompt) = 0;
};

}  // namespace attune
