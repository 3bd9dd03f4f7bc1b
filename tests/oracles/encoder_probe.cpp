// What an encoder makes of given ids, for the parity table:
//   encoder_probe MODEL IN.safetensors OUT
// IN holds ids [tokens] and lengths [sequences] (int32), and weights [tokens, width] (float32).
// OUT, a folder made anew, gets probe.safetensors: hidden [tokens, width], and under the names of
// the files the gradient of sum(hidden * weights) on every parameter of the encoder.
#include <cstdio>

#include <ATen/TensorOperators.h>

#include "core/durable.h"
#include "models/embedding_model.h"

namespace attune {
namespace {

PackedBatch packed(const at::Tensor& ids, const at::Tensor& lengths) {
  PackedBatch batch;
  const std::int32_t* next = ids.const_data_ptr<std::int32_t>();
  for (std::int64_t s = 0; s < lengths.numel(); ++s) {
    const int length = lengths.const_data_ptr<std::int32_t>()[s];
    batch.add(next, length, s, /*pool_from=*/0);
    next += length;
  }
  return batch;
}

void probe(const std::string& directory, const std::string& input, const std::string& output) {
  const auto model = EmbeddingModel::load(directory, at::kCPU);
  ParameterStore& parameters = model->parameters();
  parameters.enable_training();
  const Weights question = Weights::from_file(input);
  const PackedTokens tokens =
      to_device(packed(question.stored("ids"), question.stored("lengths")), at::kCPU);
  const at::Tensor hidden = model->encoder().forward(tokens, ForwardOptions{});
  (hidden * question.stored("weights")).sum().backward();
  std::vector<NamedTensor> answer = {{"hidden", hidden.detach()}};
  for (const ParameterSpec& spec : parameters.specs())
    for (NamedTensor& part : stored_parts(spec, parameters.get(spec.name).grad()))
      answer.push_back(std::move(part));
  DurableDirectory out(output);
  write_safetensors(out, "probe.safetensors", answer);
  out.commit();
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  try {
    if (argc != 4) throw std::runtime_error("expected MODEL IN.safetensors OUT");
    attune::probe(argv[1], argv[2], argv[3]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "encoder_probe: %s\n", error.what());
    return 1;
  }
}
