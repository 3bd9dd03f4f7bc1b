#include "models/encoder_embedding.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <numeric>

#include <c10/core/InferenceMode.h>

#include "core/error.h"
#include "core/log.h"
#include "models/device.h"
#include "models/quantized_linear.h"
#include "models/upload.h"

namespace attune {
namespace {

// The type of the linears' products. int8 is for serving on processors that have such products.
at::ScalarType parse_products(const EmbedOptions& options, const at::Device& device) {
  if (options.precision != "int8") return parse_precision(options.precision);
  if (device.is_cuda())
    throw_error(ErrorKind::kConfig, "precision int8 is for the processor: on CUDA use bf16");
  if (!has_int8_products())
    throw_error(ErrorKind::kConfig,
                "precision int8 needs a processor with AVX512-VNNI or AVX-VNNI; use fp32 or bf16");
  return at::kChar;
}

}  // namespace

EncoderEmbedding::EncoderEmbedding(std::shared_ptr<const EmbeddingModel> model, std::string name,
                                   at::ScalarType compute, int batch_tokens, int threads)
    : model_(std::move(model)),
      name_(std::move(name)),
      compute_(compute),
      batch_tokens_(batch_tokens > 0             ? batch_tokens
                    : model_->device().is_cuda() ? 16384
                                                 : 4096),
      threads_(threads) {
  record_forwards(model_->device().is_cuda());
}

void EncoderEmbedding::record_forwards(bool on) {
  graphs_.reset();
  if (!on || model_->num_layers() == 0) return;  // a StaticEmbedding reads ids on the host
  graphs_.emplace(model_->device(), [this](const PackedTokens& tokens, const at::Tensor&) {
    return model_->embed(tokens, forward_options());
  });
}

std::int64_t EncoderEmbedding::replayed() const {
  const std::scoped_lock lock(graphs_mutex_);
  return graphs_ ? graphs_->counts().replayed : 0;
}

ForwardOptions EncoderEmbedding::forward_options() const {
  ForwardOptions options;
  options.compute = compute_;
  return options;
}

std::string EncoderEmbedding::document_space() const {
  std::call_once(hashed_, [this] { document_space_ = model_->fingerprint(); });
  return document_space_;
}

std::string EncoderEmbedding::query_space() const {
  return sha256(document_space() + model_->prompt(Role::kQuery));
}

BaseEmbedding::Taken EncoderEmbedding::embed_counted(Role role,
                                                     std::span<const std::string_view> texts,
                                                     std::span<float> out) const {
  const c10::InferenceMode inference;
  const TokenizedTexts tokenized = model_->tokenize(role, texts, threads_);
  const int unpooled = model_->unpooled_tokens(role);
  std::vector<std::int64_t> order(texts.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return tokenized[a].size() > tokenized[b].size();
  });
  const std::unique_lock recording(graphs_mutex_, std::try_to_lock);
  const auto vectors_of = [&](const PackedBatch& batch) {
    if (!graphs_ || !recording || batch.num_tokens() > BatchGraphs::kMostTokens)
      return model_->embed(to_device(batch, model_->device()), forward_options());
    return graphs_->run(batch).narrow(0, 0, batch.num_sequences());
  };
  const std::int64_t width = dimension();
  struct Forward {
    std::size_t begin, end;  // in `order`
    Download vectors;
  };
  std::deque<Forward> under_way;  // a GPU computes the next while one is read
  const auto finish_first = [&] {
    Forward& forward = under_way.front();
    const at::Tensor& vectors = forward.vectors.wait();
    const float* rows = vectors.const_data_ptr<float>();
    if (!std::all_of(rows, rows + vectors.numel(), [](float x) { return std::isfinite(x); }))
      throw_error(ErrorKind::kData, name_,
                  ": an embedding holds NaN or infinity; the model's weights are not usable");
    for (std::size_t i = forward.begin; i < forward.end; ++i)
      std::copy_n(rows + static_cast<std::int64_t>(i - forward.begin) * width, width,
                  out.data() + order[i] * width);
    under_way.pop_front();
  };
  std::int64_t most_tokens = batch_tokens_;
  for (std::size_t begin = 0; begin < order.size();) {
    PackedBatch batch;
    std::size_t end = begin;
    for (; end < order.size(); ++end) {
      const auto ids = tokenized[order[end]];
      const auto length = static_cast<std::int64_t>(ids.size());
      if (end > begin && batch.num_tokens() + length > most_tokens) break;
      batch.add(ids.data(), length, static_cast<std::int64_t>(end),
                std::min(unpooled, static_cast<int>(length) - 1));
    }
    try {
      under_way.push_back({begin, end, Download(vectors_of(batch))});
      begin = end;
    } catch (const std::exception& error) {
      if (!is_out_of_memory(error) || batch.num_sequences() == 1) throw;
      if (graphs_ && recording) graphs_->clear();
      most_tokens = batch.num_tokens() / 2;
      log_warning(
          str_cat(name_, ": out of memory; going on with batches of ", most_tokens, " tokens"));
    }
    if (under_way.size() > 1) finish_first();
  }
  while (!under_way.empty()) finish_first();
  return {.tokens = std::ssize(tokenized.ids)};
}

at::ScalarType parse_precision(const std::string& name) {
  if (name == "fp32") return at::kFloat;
  if (name == "bf16") return at::kBFloat16;
  throw_error(ErrorKind::kConfig, "precision '", name,
              "' is not known: expected fp32, bf16 or (to embed) int8");
}

std::shared_ptr<const EncoderEmbedding> load_encoder_embedding(const std::string& model,
                                                               const EmbedOptions& options) {
  const at::Device device = resolve_device(options.device);
  const at::ScalarType products = parse_products(options, device);
  const at::ScalarType compute = products == at::kChar ? at::kBFloat16 : products;
  if (options.batch_tokens < 0)
    throw_error(ErrorKind::kConfig, "batch_tokens ", options.batch_tokens, ": expected at least 0");
  auto loaded = EmbeddingModel::load(resolve_model_path(model), device, options.base);
  if (options.max_length != 0) loaded->set_max_length(options.max_length);
  if (options.override_prompts)
    loaded->set_prompts({options.query_prompt, options.document_prompt});
  loaded->pack_weights(products);
  return std::make_shared<EncoderEmbedding>(std::move(loaded), model, compute, options.batch_tokens,
                                            options.threads);
}

}  // namespace attune
