#include "models/adapter_embedding.h"

#include <algorithm>
#include <span>

#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include "core/error.h"
#include "core/hash.h"
#include "core/log.h"
#include "models/adapter_directory.h"

namespace attune {

AdapterEmbeddingModel::AdapterEmbeddingModel(std::shared_ptr<const BaseEmbedding> base,
                                             std::shared_ptr<const Adapter> adapter,
                                             AdapterSides sides)
    : base_(std::move(base)), adapter_(std::move(adapter)), sides_(sides) {
  const c10::InferenceMode inference;
  const std::int64_t width = base_->dimension();
  at::Tensor y;
  try {
    y = adapter_->forward(at::zeros({1, width}));
  } catch (const std::exception& error) {
    const std::string reason = error.what();
    throw_error(ErrorKind::kData, "the adapter does not take ", width, "-dimensional vectors of ",
                base_->model_name(), ": ", reason.substr(0, reason.find('\n')));
  }
  if (y.dim() != 2 || y.size(0) != 1 || y.size(1) < 1)
    throw_error(ErrorKind::kData, "the adapter does not give one vector for one of ",
                base_->model_name());
  dimension_ = static_cast<int>(y.size(1));
  if (sides_ == AdapterSides::kQuery && dimension_ != width)
    throw_error(ErrorKind::kData, "the adapter gives ", dimension_, "-dimensional vectors, not ",
                width, "-dimensional ones: queries would not fit the documents of ",
                base_->model_name());
  query_space_ = space_of(base_->query_space());
  document_space_ =
      sides_ == AdapterSides::kBoth ? space_of(base_->document_space()) : base_->document_space();
}

// In training on a GPU, the GPU.
static at::Device device_of(const Adapter& adapter) {
  const auto parameters = adapter.parameters();
  return parameters.empty() ? at::Device(at::kCPU) : parameters[0].second.device();
}

std::string AdapterEmbeddingModel::space_of(const std::string& base_space) const {
  Sha256 hash;
  hash.update(base_space).update(adapter_->config_json());
  for (const auto& [name, tensor] : adapter_->parameters()) {
    const at::Tensor flat = tensor.detach().cpu().contiguous();
    hash.update(std::as_bytes(std::span(flat.const_data_ptr<float>(), flat.numel())));
  }
  return hash.hex();
}

void AdapterEmbeddingModel::embed(Role role, std::span<const std::string_view> texts,
                                  std::span<float> out) const {
  std::vector<float> vectors = role == Role::kQuery ? base_->get_query_embedding_batch(texts)
                                                    : base_->get_text_embedding_batch(texts);
  const bool turned = role == Role::kQuery || sides_ == AdapterSides::kBoth;
  if (turned && !texts.empty()) {
    const c10::InferenceMode inference;
    const at::Tensor x = at::from_blob(vectors.data(), {std::ssize(texts), base_->dimension()})
                             .to(device_of(*adapter_));
    const at::Tensor y = adapter_->forward(x).cpu().contiguous();
    std::copy_n(y.const_data_ptr<float>(), out.size(), out.data());
  } else {
    std::copy(vectors.begin(), vectors.end(), out.begin());
  }
}

AdapterWithBase load_adapter_with_base(const std::string& directory, const EmbedOptions& options) {
  SavedAdapter saved = load_adapter(directory);
  const Json own = saved.sidecar.value("adapter", Json::object());
  EmbedOptions of_base = options;
  of_base.base.clear();
  const std::string base = options.base.empty() ? own.value("base", "") : options.base;
  if (base.empty())
    throw_error(ErrorKind::kConfig, directory,
                ": the adapter names no base model (LlamaIndex's never do): give it with --base");
  // As the base was used in training.
  if (options.max_length == 0) of_base.max_length = own.value("max_length", 0);
  if (!options.override_prompts && own.contains("prompts")) {
    of_base.override_prompts = true;
    of_base.query_prompt = own["prompts"].value("query", "");
    of_base.document_prompt = own["prompts"].value("document", "");
  }
  auto model = resolve_embed_model(base, of_base);
  const std::string trained_on = own.value("base_fingerprint", "");
  if (!trained_on.empty() && trained_on != model->document_space())
    throw_error(ErrorKind::kData, directory, ": the adapter was trained on the base model ",
                trained_on, ", but ", base, " is ", model->document_space(),
                "; give the right one with --base, and its length and prompts unchanged");
  if (trained_on.empty())
    log_warning(str_cat(directory,
                        ": the adapter does not say which base model it was trained on; ", base,
                        " is taken as given"));
  return {std::move(saved), std::move(model)};
}

std::shared_ptr<const BaseEmbedding> load_adapter_embedding(const std::string& directory,
                                                            const EmbedOptions& options) {
  AdapterWithBase loaded = load_adapter_with_base(directory, options);
  return std::make_shared<AdapterEmbeddingModel>(
      std::move(loaded.base), std::move(loaded.saved.adapter), loaded.saved.sides);
}

}  // namespace attune
