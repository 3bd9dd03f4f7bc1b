// Seconds to tokenize texts: prints the time of encode_batch alone (and of the processor,
// all threads together: what counts on a busy machine), and the tokens.
//   tokenizer_benchmark MODEL_DIRECTORY TEXTS.json MAX_LENGTH THREADS     (TEXTS: one array of
//   strings)
// benchmarks/peers/tokenizing.py calls it, interleaved with `tokenizers`.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
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
  const std::clock_t cpu_start = std::clock();
  const auto start = std::chrono::steady_clock::now();
  const attune::TokenizedTexts batch =
      tokenizer->encode_batch("", texts, std::atoi(argv[3]), std::atoi(argv[4]));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const double cpu = static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC;
  std::printf("{\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"tokens\": %zu}\n", seconds.count(), cpu,
              batch.ids.size());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 3;
}
