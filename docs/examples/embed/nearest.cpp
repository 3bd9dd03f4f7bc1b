// nearest MODEL QUERY TEXT...: prints the texts, nearest to the query first.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <numeric>
#include <string_view>
#include <vector>

#include <attune/base_embedding.h>

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: nearest MODEL QUERY TEXT...\n");
    return 2;
  }
  try {
    const auto model = attune::resolve_embed_model(argv[1]);
    const std::vector<std::string_view> texts(argv + 3, argv + argc);
    const std::vector<float> query = model->get_query_embedding(argv[2]);
    const std::vector<float> vectors = model->get_text_embedding_batch(texts);
    const auto score = [&](std::size_t i) {
      return std::inner_product(query.begin(), query.end(), &vectors[i * query.size()], 0.0f);
    };
    std::vector<std::size_t> order(texts.size());
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return score(a) > score(b); });
    for (const std::size_t i : order) std::printf("%.4f  %s\n", score(i), argv[3 + i]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "nearest: %s\n", error.what());
    return 1;
  }
}
