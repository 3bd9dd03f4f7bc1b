// Runs generate_with_llm over passages made up by their numbers, for scripts/llm_kill_campaign and
// tests/oracles/real_llm_server.py:
//
//   llm_probe PASSAGES CONFIG JOURNAL [--show]     CONFIG: the `llm:` section of a configuration
//
// The last line of stdout is a JSON object of counts; --show prints the questions before it.
#include <cstdlib>
#include <iostream>
#include <string>

#include "core/config_reader.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/json.h"
#include "data/generation/llm_generation.h"

namespace {

attune::Passages make_passages(int count) {
  attune::Passages out;
  for (int i = 0; i < count; ++i) {
    attune::Passage passage;
    passage.text = "Passage " + std::to_string(i) +
                   " says that every kettle with that number has a lid of the same number.";
    passage.id = attune::sha256(passage.text).substr(0, 16);
    out.rows.push_back(passage);
  }
  return out;
}

void run(int argc, char** argv) {
  if (argc != 4 && argc != 5)
    attune::throw_error(attune::ErrorKind::kConfig,
                        "usage: llm_probe PASSAGES CONFIG JOURNAL [--show]");
  attune::LlmConfig config;
  attune::ConfigDocument::load(argv[2]).read(config);
  const attune::GenerationOutcome outcome =
      attune::generate_with_llm(make_passages(std::atoi(argv[1])), config, 2, argv[3], 1);
  const attune::LlmCounts& counts = outcome.counts;
  if (argc == 5)
    for (const attune::Question& question : outcome.questions)
      std::cout << question.passage << ": " << question.text << '\n';
  const attune::Json told = {
      {"passages", counts.passages},          {"asked", counts.asked},
      {"from_journal", counts.from_journal},  {"failed", counts.failed},
      {"requests", counts.requests},          {"retries", counts.retries},
      {"questions", counts.questions},        {"short_answers", counts.short_answers},
      {"prompt_tokens", counts.usage.prompt}, {"completion_tokens", counts.usage.completion}};
  std::cout << attune::dump_json_like_python(told, -1) << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
