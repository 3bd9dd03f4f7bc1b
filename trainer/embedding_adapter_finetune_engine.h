// Trains an adapter behind a frozen embedding model, for queries only or for both sides, after
// LlamaIndex's engine of this name. Its defects are not kept: every text is embedded once and kept
// (theirs: each, one call at a time, in every epoch), pairs are shuffled, a passage that answers
// several questions is no negative of its own (train.sampler no_duplicates, or train.loss.type
// corpus), and decay pulls towards where the adapter started instead of towards 0. `train.parity:
// llamaindex` brings them back.
#pragma once

#include "trainer/finetune_engine.h"

namespace attune {

class EmbeddingAdapterFinetuneEngine : public FinetuneEngine {
 public:
  // options.model.base names the base; or `base` is it, whatever embeds: then the artifact knows
  // its base's fingerprint only, and is loaded with one given.
  EmbeddingAdapterFinetuneEngine(TrainingSets data,
                                 std::optional<EmbeddingQAFinetuneDataset> val_dataset,
                                 FinetuneOptions options,
                                 std::shared_ptr<const BaseEmbedding> base = nullptr);

  FinetuneResult finetune(const StopRequested& stop_requested = {}) override;
  // Embedding every text is the time that counts: the steps, which take seconds, are left out.
  TrainingEstimate estimate(const EmbeddingQAFinetuneDataset* test, int systems) override;

 private:
  std::shared_ptr<const BaseEmbedding> base_;
};

}  // namespace attune
