#include "trainer/model_card.h"

#include <sstream>

#include "core/config_reader.h"
#include "trainer/lineage.h"

namespace attune {

std::string model_card(const EmbeddingModel& model, const FinetuneOptions& options,
                       std::int64_t num_pairs, const Json& parents) {
  std::ostringstream card;
  card << "---\nlibrary_name: sentence-transformers\npipeline_tag: sentence-similarity\ntags:\n"
          "- sentence-transformers\n- sentence-similarity\n- feature-extraction\n- dataset_size:"
       << num_pairs << "\n- loss:" << options.train.loss.peer_name()
       << (options.train.loss.matryoshka.dims.empty() ? "" : "\n- loss:MatryoshkaLoss")
       << "\n---\n\n# Embedding model finetuned with attune\n\n"
       << "Base model: `" << options.model.base << "`. Maps texts to " << model.dimension()
       << "-dimensional vectors (" << (model.directory().normalize ? "normalised, " : "")
       << "at most " << model.max_length() << " tokens). Trained on " << num_pairs
       << " question-passage pairs.\n\n"
       << "```python\nfrom sentence_transformers import SentenceTransformer\n\n"
          "model = SentenceTransformer(\"PATH\")\nqueries = model.encode_query([\"...\"])\n"
          "passages = model.encode_document([\"...\"])\n```\n\n## Training "
          "settings\n\n```yaml\nseed: "
       << options.seed << "\n"
       << print_config(options.train) << "```\n"
       << describe_parents(parents);
  return card.str();
}

}  // namespace attune
