#include "trainer/guided_batches.h"

#include <ATen/ops/cat.h>

#include "trainer/adapter_batches.h"

namespace attune {

StepPlan GuidedBatches::at(std::int64_t step) const {
  StepPlan plan = source_.at(step);
  if (!guide_) return plan;
  std::vector<at::Tensor> columns;
  for (std::size_t c = 0; c < rows_.columns.size(); ++c) {
    std::vector<std::string_view> texts;
    for (const std::int64_t row : plan.batch.row) texts.push_back(rows_.columns[c][row]);
    columns.push_back(embed_texts(*guide_, c == 0 ? Role::kQuery : Role::kText, texts));
  }
  plan.batch.guide = at::cat(columns);
  return plan;
}

}  // namespace attune
