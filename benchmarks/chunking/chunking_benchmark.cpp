// Seconds to cut documents into passages: prints the time of make_passages alone.
//   chunking_benchmark MODEL_DIRECTORY TEXTS.json SIZE THREADS   (TEXTS: one array of documents)
// benchmarks/peers/chunking.py calls it, interleaved with its peer.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "core/json.h"
#include "data/chunks/chunker.h"

int main(int argc, char** argv) try {
  if (argc != 5) {
    std::fprintf(stderr, "usage: %s MODEL_DIRECTORY TEXTS.json SIZE THREADS\n", argv[0]);
    return 2;
  }
  const auto tokenizer = attune::load_tokenizer(argv[1]);
  std::vector<attune::Document> documents;
  std::size_t bytes = 0;
  for (const attune::Json& text : attune::read_json_file(argv[2])) {
    attune::Document document;
    document.content.sections.push_back({{}, text.get<std::string>()});
    bytes += document.content.sections[0].text.size();
    documents.push_back(std::move(document));
  }
  attune::ChunkConfig config;
  config.size = std::atoi(argv[3]);
  const auto start = std::chrono::steady_clock::now();
  const attune::Passages passages =
      attune::make_passages(documents, config, *tokenizer, std::atoi(argv[4]));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("{\"seconds\": %.6f, \"documents\": %zu, \"bytes\": %zu, \"passages\": %zu}\n",
              seconds.count(), documents.size(), bytes, passages.rows.size());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 3;
}
