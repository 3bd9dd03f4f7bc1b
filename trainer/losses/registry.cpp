#include "core/error.h"
#include "trainer/losses/loss.h"
#include "trainer/losses/multiple_negatives_ranking.h"

namespace attune {

std::unique_ptr<Loss> make_loss(const LossConfig& config) {
  if (config.type == "mnrl") return std::make_unique<MultipleNegativesRankingLoss>(config.scale);
  throw_error(ErrorKind::kConfig, "loss '", config.type, "' is not known");
}

}  // namespace attune
