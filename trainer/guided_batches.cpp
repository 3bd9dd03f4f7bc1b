#include "trainer/guided_batches.h"

#include <ATen/ops/cat.h>

#include "trainer/adapter_batches.h"

namespace attune {

StepPlan GuidedBatches::at(std::int64_t step) const {
  StepPlan plan = source_.at(step);
  if (!guide_) return plan;
  embed(plan.batch);
  for (BatchPlan& batch : plan.more) embed(batch.batch);
  return plan;
}

void GuidedBatches::embed(TrainingBatch& batch) const {
  std::vector<at::Tensor> columns;
  for (int c = 0; c < batch.columns; ++c) {
    std::vector<std::string_view> texts;
    for (const std::int64_t row : batch.row) texts.push_back(rows_.columns[c][row]);
    columns.push_back(embed_texts(*guide_, c == 0 ? Role::kQuery : Role::kText, texts));
  }
  batch.guide = at::cat(columns);
}

}  // namespace attune
