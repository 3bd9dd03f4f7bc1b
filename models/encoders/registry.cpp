#include "core/error.h"
#include "models/encoders/bert.h"
#include "models/encoders/distilbert.h"
#include "models/encoders/encoder.h"
#include "models/encoders/eurobert.h"
#include "models/encoders/gemma3.h"
#include "models/encoders/gte.h"
#include "models/encoders/modernbert.h"
#include "models/encoders/mpnet.h"
#include "models/encoders/nomic.h"
#include "models/encoders/qwen3.h"
#include "models/encoders/roberta.h"
#include "models/encoders/static_embedding.h"

namespace attune {
namespace {

struct Family {
  const char* model_type;
  EncoderPlan (*plan)(const Json& config, const std::string& config_path);
};

const Family kFamilies[] = {
    {"bert", plan_bert},  // MiniLM, BGE, E5, GTE, mxbai, arctic-embed
    {"camembert", plan_roberta},
    {"distilbert", plan_distilbert},
    {"mpnet", plan_mpnet},  // all-mpnet-base-v2
    {"roberta", plan_roberta},
    {"static", plan_static},        // sentence-transformers' StaticEmbedding: potion
    {"xlm-roberta", plan_roberta},  // multilingual E5, BGE-M3, arctic-embed-l-v2.0
    {"modernbert", plan_modernbert},
    {"nomic_bert", plan_nomic},
    {"gte", plan_gte},
    {"new", plan_gte},  // what Alibaba's own files call it
    {"qwen3", plan_qwen3},
    {"gemma3_text", plan_gemma3},  // EmbeddingGemma
    {"eurobert", plan_eurobert},
};

}  // namespace

EncoderPlan plan_encoder(const Json& config, const std::string& config_path) {
  if (!config.is_object() || !config.contains("model_type") || !config["model_type"].is_string())
    throw_error(ErrorKind::kData, config_path,
                ": expected a transformers configuration with \"model_type\"");
  const auto type = config["model_type"].get<std::string>();
  std::string known;
  for (const Family& family : kFamilies) {
    if (type == family.model_type) return family.plan(config, config_path);
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  throw_error(ErrorKind::kData, config_path, ": model_type '", type,
              "' is not supported; known: ", known);
}

}  // namespace attune
