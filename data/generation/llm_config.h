// The `llm:` section of a configuration: which model is asked, how, and how often. The key itself
// is never part of it: only the name of a variable or file that holds it, so that what is printed,
// saved and reported has no key in it.
#pragma once

#include <string>

#include "core/config_reader.h"

namespace attune {

struct LlmConfig {
  std::string url, model;
  std::string api_key_env, api_key_file;
  std::string prompt_file;
  int concurrency = 4;
  int requests_per_minute = 0, tokens_per_minute = 0;
  int attempts = 5;
  double retry_seconds = 1;
  double timeout_seconds = 120;
  int max_tokens = 1024;
  double temperature = 0.1;
  std::string structured = "auto";
  std::string on_failure = "continue";
  double price_prompt = 0, price_completion = 0;

  template <class Fields>
  void visit(Fields& f) {
    Constraint given = required();
    given.not_empty = true;
    f.field("url", url,
            "OpenAI-compatible server: https://HOST, https://HOST/v1 or where else its "
            "/chat/completions is",
            given);
    f.field("model", model, "the model's name at the server", given);
    f.field("api_key_env", api_key_env,
            "name of the environment variable that holds the key; left out: no key is sent");
    f.field("api_key_file", api_key_file, "or a file that holds it, on its only line");
    f.field("prompt_file", prompt_file,
            "a prompt of your own with {context_str} and {num_questions_per_chunk}; a brace is "
            "written {{ or }}; left out: attune's");
    f.field("concurrency", concurrency, "requests at the same time", between(1, 256));
    f.field("requests_per_minute", requests_per_minute, "at most; 0: any", at_least(0));
    f.field("tokens_per_minute", tokens_per_minute, "at most, prompts and answers; 0: any",
            at_least(0));
    f.field("attempts", attempts,
            "how often a passage is asked where the server is busy, fails or cannot be reached",
            between(1, 20));
    f.field("retry_seconds", retry_seconds,
            "about how long the second attempt waits; each further one twice as long, up to a "
            "minute, and as long as the server asks, up to ten",
            between(0, 60));
    f.field("timeout_seconds", timeout_seconds, "for a whole answer", between(0.1, 3600));
    f.field("max_tokens", max_tokens, "of an answer, reasoning included", at_least(1));
    f.field("temperature", temperature, "0: the likeliest answer", between(0, 2));
    f.field("structured", structured,
            "json: answers are held to a JSON schema (response_format); text: lists in plain text; "
            "auto: json where the server can",
            one_of({"auto", "json", "text"}));
    f.field("on_failure", on_failure,
            "what a passage without an answer does: continue (it is left out, counted, and asked "
            "again in the next run) or fail",
            one_of({"continue", "fail"}));
    f.field("price_prompt", price_prompt, "of a million prompt tokens, for the account",
            at_least(0));
    f.field("price_completion", price_completion, "of a million tokens of answers", at_least(0));
    for (const Mistake& mistake : mistakes()) f.mistake(mistake.key, mistake.message);
  }

 private:
  struct Mistake {
    const char* key;
    std::string message;
  };
  std::vector<Mistake> mistakes() const;
};

}  // namespace attune
