// What a model takes to be used: time, memory, disk. Times are those of one machine at one moment.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <attune/base_embedding.h>

#include "data/qa_dataset.h"

namespace attune {

struct ModelCost {
  // To embed one query alone, in milliseconds: half of them, and 95 of 100, took no longer.
  double query_ms_p50 = 0, query_ms_p95 = 0;
  double passages_per_second = 0;  // embedded together
  // Most that tensors held from loading to here, of an adapter with its base (PeakMemory).
  std::int64_t memory_bytes = 0;
  std::int64_t disk_bytes = 0;  // all files of the model's folder; of an adapter without its base's
};

struct MeasuredModel {
  std::shared_ptr<const BaseEmbedding> model;
  ModelCost cost;
};

// Loads the model (resolve_embed_model) and measures it on the data set's first texts: three
// queries to warm up, then up to 100 for at most a second, and up to 128 passages in one batch.
MeasuredModel load_measured(const std::string& model, const EmbedOptions& options,
                            const EmbeddingQAFinetuneDataset& dataset);

// Of all files below a folder, links followed; what cannot be read counts nothing.
std::int64_t bytes_below(const std::string& folder);

}  // namespace attune
