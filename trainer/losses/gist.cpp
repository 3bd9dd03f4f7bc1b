#include "trainer/losses/gist.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/logsumexp.h>

#include "core/error.h"
#include "trainer/losses/infonce.h"
#include "trainer/losses/similarity.h"

namespace attune {
namespace {

// A passage that stands twice in a batch is as near as the positive, not nearer: products of equal
// vectors may differ in the last bits.
constexpr double kRounding = 1e-6;

}  // namespace

void GistLoss::check(const RowSource& rows, int) const { check_columns(rows, "gist", 2); }

at::Tensor GistLoss::compute(const std::vector<at::Tensor>& columns,
                             const TrainingBatch& batch) const {
  ATTUNE_ASSERT(batch.guide.defined());
  std::vector<at::Tensor> units, guides;
  for (const at::Tensor& column : columns) units.push_back(unit_rows(column));
  const at::Tensor guide = batch.guide.to(columns[0].device(), columns[0].scalar_type());
  for (const at::Tensor& column : guide.split(batch.rows)) guides.push_back(unit_rows(column));
  const at::Tensor reference = (guides[0] * guides[1]).sum(1, /*keepdim=*/true);

  std::vector<at::Tensor> blocks;
  const auto add_block = [&](std::size_t of, std::size_t with) {
    at::Tensor mask = exceeds_by_margin(guides[of].matmul(guides[with].t()), reference,
                                        settings_.margin - kRounding, settings_.relative_margin);
    if (of == 0 && with == 1) mask.diagonal().fill_(false);
    blocks.push_back(units[of].matmul(units[with].t()).masked_fill(mask, -INFINITY));
  };
  add_block(0, 1);
  if (settings_.contrast_anchors) add_block(0, 0);
  if (settings_.contrast_positives) add_block(1, 1);
  for (std::size_t c = 2; c < columns.size(); ++c) add_block(0, c);
  const at::Tensor scores = at::cat(blocks, 1) * settings_.scale;
  return (at::logsumexp(scores, {1}) - scores.diagonal()).mean();
}

}  // namespace attune
