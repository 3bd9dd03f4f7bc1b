#include "trainer/loss_config.h"

namespace attune {
namespace {

struct Kind {
  const char* name;
  std::vector<std::string> peers;  // sentence-transformers' classes, the plain one first
  double scale;                    // its own
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"mnrl", {"MultipleNegativesRankingLoss", "CachedMultipleNegativesRankingLoss"}, 20},
      {"infonce", {}, 20},
      {"gist", {"GISTEmbedLoss", "CachedGISTEmbedLoss"}, 100},
      {"cosent", {"CoSENTLoss"}, 20},
      {"triplet", {"TripletLoss"}, 1},
      {"cosine_similarity", {"CosineSimilarityLoss"}, 1},
      {"margin_mse", {"MarginMSELoss"}, 1},
      {"kl_divergence", {"DistillKLDivLoss"}, 1},
      {"corpus", {}, 20},
  };
  return all;
}

const Kind* find(const std::string& type) {
  for (const Kind& kind : kinds())
    if (type == kind.name ||
        std::find(kind.peers.begin(), kind.peers.end(), type) != kind.peers.end())
      return &kind;
  return nullptr;
}

}  // namespace

std::string LossConfig::kind() const {
  const Kind* kind = find(type);
  return kind ? kind->name : type;
}

std::string LossConfig::peer_name() const {
  const Kind* kind = find(type);
  return kind && !kind->peers.empty() ? kind->peers[0] : this->kind();
}

double LossConfig::scale_or_default() const {
  const Kind* kind = find(type);
  return scale > 0 || !kind ? scale : kind->scale;
}

std::vector<std::string> LossConfig::known_types() {
  std::vector<std::string> names;
  for (const Kind& kind : kinds()) names.emplace_back(kind.name);
  for (const Kind& kind : kinds()) names.insert(names.end(), kind.peers.begin(), kind.peers.end());
  return names;
}

}  // namespace attune
