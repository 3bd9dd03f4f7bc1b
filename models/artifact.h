// A finetuned model as a directory that other tools load: Sentence Transformers' classic layout
// (ST 2.x to 6.x, LlamaIndex, TEI, vLLM), written whole or not at all.
#pragma once

#include <string>

#include "core/durable.h"
#include "core/json.h"
#include "models/embedding_model.h"

namespace attune {

// What is in it of the encoder.
struct ArtifactWeights {
  bool lora_only = false;  // a PEFT directory: the matrices of LoRA and no config.json
  double dropout = 0;      // of LoRA, and what loads as its base: for adapter_config.json
  std::string base;
};

// Self-contained but where `weights` wants LoRA alone. `lineage` goes into the sidecar attune.json
// (base, configuration, versions); `card` is README.md. Non-finite weights are refused:
// Error{kDiverged}.
void write_artifact(const EmbeddingModel& model, const std::string& directory, const Json& lineage,
                    const std::string& card, const ArtifactWeights& weights = {});

// Its parts, for other arrangements of modules. The Transformer's files (weights in fp32,
// tokenizer, length) and the Pooling's go below `folder`, which is "" or ends in '/'.
void write_transformer(const EmbeddingModel& model, const std::string& folder,
                       DurableDirectory& out);
void write_pooling(const EmbeddingModel& model, const std::string& folder, DurableDirectory& out);
void write_dense(const EmbeddingModel& model, std::size_t index, const std::string& folder,
                 DurableDirectory& out);
// config_sentence_transformers.json, which holds the prompts.
void write_st_config(const EmbeddingModel& model, DurableDirectory& out);

}  // namespace attune
