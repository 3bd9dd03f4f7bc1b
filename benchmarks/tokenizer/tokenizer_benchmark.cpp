// Seconds to tokenize texts: prints the time of encode_batch alone, and the tokens.
//   tokenizer_benchmark MODEL_DIRECTORY TEXTS.json MAX_LENGTH THREADS     (TEXTS: one array of
//   strings)
// benchmarks/peers/tokenizing.py calls it, interleaved with `tokenizers`.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "data/tokenizers/tokenizer.h"

int main(int argc, char** argv) try {
  if (argc != 5) {
    std::fprintf(stderr, "usage: %s MODEL_DIRECTORY TEXTS.json MAX_LENGTH THREADS\n", argv[0]);
    return 2;
  }
  const auto tokenizer = attune::load_tokenizer(argv[1]);
  const attune::Json file = attune::read_json_file(argv[2]);
  std::vector<std::string_view> texts;
  for (const attune::Json& text : file) texts.push_back(text.get_ref<const std::string&>());
  const auto start = std::chrono::steady_clock::now();
  const attune::TokenizedTexts batch =
      tokenizer->encode_batch("", texts, std::atoi(argv[3]), std::atoi(argv[4]));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("{\"seconds\": %.6f, \"tokens\": %zu}\n", seconds.count(), batch.ids.size());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 3;
}
