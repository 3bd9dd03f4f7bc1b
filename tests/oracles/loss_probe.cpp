// What a loss makes of given vectors, for the parity table: one JSON object on stdin,
//   {"loss": {train.loss's keys}, "rows": n, "columns": c, "vectors": [[...]], "labels": [[...]],
//    "guide": [[...]], "document_id": [...], "relevant": [[...]]}
// one on stdout: value and gradient in fp32, and the largest difference between the gradient and
// central differences, both in fp64.
#include <cstdio>
#include <iostream>
#include <iterator>

#include <ATen/ops/tensor.h>

#include "core/config_reader.h"
#include "core/error.h"
#include "core/json.h"
#include "tests/support/losses.h"

namespace attune {
namespace {

at::Tensor matrix(const Json& rows) {
  std::vector<double> numbers;
  for (const Json& row : rows)
    for (const Json& number : row) numbers.push_back(number.get<double>());
  return at::tensor(numbers, at::kDouble).view({std::ssize(rows), -1});
}

int probe(const Json& question) {
  LossConfig config;
  ConfigDocument::parse(question.at("loss").dump(), "loss").read(config);
  const auto loss = make_loss(config);
  TrainingBatch batch = batch_of(question.at("rows").get<int>(), question.at("columns").get<int>());
  if (question.contains("labels")) {
    batch.labels_per_row = static_cast<int>(question["labels"].at(0).size());
    for (const Json& row : question["labels"])
      for (const Json& label : row) batch.labels.push_back(label.get<float>());
  }
  if (question.contains("guide")) batch.guide = matrix(question["guide"]).to(at::kFloat);
  if (question.contains("document_id"))
    batch.document_id = question["document_id"].get<std::vector<std::int64_t>>();
  if (question.contains("relevant"))
    batch.relevant = question["relevant"].get<std::vector<std::vector<std::int64_t>>>();
  const at::Tensor vectors = matrix(question.at("vectors"));
  const LossOutput output = loss->evaluate(vectors.to(at::kFloat), batch);
  const at::Tensor gradient = output.gradient.contiguous();
  Json answer;
  answer["value"] = output.value.item<double>();
  answer["gradient"] = std::vector<float>(gradient.const_data_ptr<float>(),
                                          gradient.const_data_ptr<float>() + gradient.numel());
  answer["difference"] = gradient_error(*loss, vectors, batch);
  std::cout << answer.dump() << std::endl;
  return 0;
}

}  // namespace
}  // namespace attune

int main() {
  try {
    const std::string text(std::istreambuf_iterator<char>(std::cin), {});
    return attune::probe(attune::parse_json(text, "stdin"));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "loss_probe: %s\n", error.what());
    return 1;
  }
}
