// LoRA on the model of tests/support/tiny_bert.h.
#pragma once

#include <string>
#include <vector>

#include <ATen/ops/randn.h>

#include "core/durable.h"
#include "models/lora_directory.h"
#include "tests/support/tiny_bert.h"

namespace attune {

// Of rank 4; B is random, so that it does something at once.
inline Lora random_lora(const EmbeddingModel& model, const std::string& target) {
  LoraConfig config;
  config.rank = 4;
  config.targets = {target};
  Lora lora = initial_lora(config, model.linear_modules(), ParameterSpec::kEmbeddings, 11);
  for (LoraModule& module : lora.modules) module.b = at::randn(module.b.sizes()) * 0.1;
  return lora;
}

inline void write_tiny_lora(const EmbeddingModel& model, const std::string& directory) {
  DurableDirectory out(directory);
  write_lora(out, model.lora(), 0, kTinyBert);
  out.commit();
}

inline at::Tensor embed_golden(const EmbeddingModel& model) {
  std::vector<std::string> texts;
  for (const Json& text : tiny_golden()["texts"]) texts.push_back(text.get<std::string>());
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const TokenizedTexts tokenized = model.tokenize(Role::kText, views);
  PackedBatch batch;
  for (std::int64_t i = 0; i < tokenized.num_texts(); ++i)
    batch.add(tokenized[i].data(), static_cast<std::int64_t>(tokenized[i].size()), i);
  return model.embed(to_device(batch, at::kCPU), {}).detach();
}

}  // namespace attune
