// Finetunes a whole encoder on question-passage pairs, after LlamaIndex's engine of this name. Its
// defects are not kept: without a validation set nothing is evaluated in training (theirs fails), a
// set smaller than one batch trains (theirs runs at rate 0), and the schedule counts the steps that
// are really taken.
#pragma once

#include "trainer/finetune_engine.h"

namespace attune {

class SentenceTransformersFinetuneEngine : public FinetuneEngine {
 public:
  using FinetuneEngine::FinetuneEngine;
  FinetuneResult finetune(const StopRequested& stop_requested = {}) override;
  TrainingEstimate estimate(const EmbeddingQAFinetuneDataset* test, int systems) override;
};

}  // namespace attune
