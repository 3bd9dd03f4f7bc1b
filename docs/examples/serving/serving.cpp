// serving MODEL OTHER FOLDER: an application that asks Settings for its models. MODEL and OTHER as
// attune::resolve_embed_model takes them; FOLDER gets an index and a cache of vectors.
#include <cstdio>
#include <exception>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include <attune/settings.h>
#include <attune/vector_store_index.h>

namespace {

using attune::Settings;

// Hears of every batch that any model of Settings embeds.
struct Watch : attune::EmbeddingCallback {
  void on_embedding_end(const attune::EmbeddingEnd& end) override {
    std::printf("  %s: %zu texts, %lld of them from the cache\n", end.model_name.c_str(),
                end.chunks.size(), static_cast<long long>(end.cached));
  }
};

void run(const std::string& name, const std::string& other, const std::string& folder) {
  const std::vector<attune::TextNode> nodes = {{"1", "A rope is spliced."},
                                               {"2", "Sails are mended with a palm and needle."},
                                               {"3", "The bilge is pumped dry."}};
  Settings::add_callback(std::make_shared<Watch>());

  std::puts("by string: loaded when it is first asked for");
  Settings::set_embed_model(name);
  auto index = attune::VectorStoreIndex::from_documents(nodes, folder + "/index");
  const auto retriever = index.as_retriever(1);
  std::printf("%s\n", retriever.retrieve("A rope is spliced.")[0].node.text.c_str());

  std::puts("by object: here with a cache and a limit of 600 requests a minute");
  const auto model = attune::resolve_embed_model(name);
  attune::EmbeddingServices services;
  services.cache = attune::open_sqlite_cache(folder + "/vectors.sqlite");
  services.limiter = attune::make_rate_limiter(600, 0);
  model->use(services);
  Settings::set_embed_model(model);
  for (int i = 0; i < 2; ++i) retriever.retrieve("How are sails mended?");
  std::printf("asked for %lld texts, computed %lld\n", static_cast<long long>(model->usage().texts),
              static_cast<long long>(model->usage().texts - model->usage().cached));

  std::puts("another model for one component");
  {
    const Settings::Scope scope(Settings::Component::kRetriever, other);
    try {
      retriever.retrieve("How are sails mended?");
    } catch (const std::exception& error) {  // its vectors are not the index's
      std::printf("refused: %s\n", error.what());
    }
  }
  retriever.retrieve("How are sails mended?");

  std::future<std::vector<float>> later = model->aget_query_embedding("What is pumped?");
  const auto now = model->get_query_embedding("What is pumped?");
  std::printf("similarity %.3f\n", attune::similarity(later.get(), now));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: serving MODEL OTHER FOLDER\n");
    return 2;
  }
  try {
    run(argv[1], argv[2], argv[3]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "serving: %s\n", error.what());
    return 1;
  }
}
