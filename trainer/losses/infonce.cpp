#include "trainer/losses/infonce.h"

#include <cmath>
#include <unordered_map>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/logaddexp.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/zeros.h>

#include "models/upload.h"

namespace attune {
namespace {

// The batch's different passages and what each is to each query.
struct Candidates {
  std::vector<std::int64_t> place;  // [m] among the batch's passages, column by column
  std::vector<std::int64_t> own;    // [rows] which of them is the row's positive
  at::Tensor answers;               // [rows, m] bool
};

Candidates list_candidates(const TrainingBatch& batch) {
  Candidates all;
  std::unordered_map<std::int64_t, std::int64_t> index_of;  // by document_id
  for (std::size_t place = 0; place < batch.document_id.size(); ++place)
    if (index_of.try_emplace(batch.document_id[place], std::ssize(all.place)).second)
      all.place.push_back(static_cast<std::int64_t>(place));
  all.answers = at::zeros({batch.rows, std::ssize(all.place)}, at::kBool);
  bool* answers = all.answers.mutable_data_ptr<bool>();
  for (int row = 0; row < batch.rows; ++row) {
    all.own.push_back(index_of.at(batch.document_id[row]));
    answers[row * std::ssize(all.place) + all.own.back()] = true;
    if (batch.relevant.empty()) continue;
    for (const std::int64_t document : batch.relevant[row])
      if (const auto found = index_of.find(document); found != index_of.end())
        answers[row * std::ssize(all.place) + found->second] = true;
  }
  return all;
}

}  // namespace

at::Tensor exceeds_by_margin(const at::Tensor& similarities, const at::Tensor& reference,
                             double margin, bool relative) {
  return similarities > (relative ? reference - reference.abs() * margin : reference - margin);
}

void InfoNceLoss::check(const RowSource& rows, int) const { check_columns(rows, "infonce", 2); }

at::Tensor InfoNceLoss::compute(const std::vector<at::Tensor>& columns,
                                const TrainingBatch& batch) const {
  const Candidates candidates = list_candidates(batch);
  const at::Device device = columns[0].device();
  const at::Tensor passages =
      at::cat(std::vector<at::Tensor>(columns.begin() + 1, columns.end()))
          .index_select(
              0, upload(candidates.place, {std::ssize(candidates.place)}, at::kLong, device));
  const at::Tensor own = upload(candidates.own, {std::ssize(candidates.own), 1}, at::kLong, device);
  const at::Tensor answers = candidates.answers.to(device);
  const at::Tensor only_own = at::zeros_like(answers).scatter_(1, own, true);
  const at::Tensor positive = settings_.own_positive ? only_own : answers;

  const at::Tensor similarities = similarity_matrix(columns[0], passages, settings_.similarity);
  at::Tensor left_out = positive;
  if (settings_.mask_documents) left_out = left_out.logical_or(answers);
  if (settings_.mask_margin) {
    const at::Tensor fixed = similarities.detach();
    left_out = left_out.logical_or(exceeds_by_margin(fixed, fixed.gather(1, own), settings_.margin,
                                                     settings_.relative_margin));
  }
  const at::Tensor s = similarities * settings_.scale;
  // Finite, so that a query without a negative has a gradient of 0 rather than NaN.
  const at::Tensor negatives = at::logsumexp(s.masked_fill(left_out, -1e30), {1}, /*keepdim=*/true);
  const at::Tensor losses =
      (at::logaddexp(s, negatives) - s).masked_fill(positive.logical_not(), 0);
  return (losses.sum(1) / positive.sum(1)).mean();
}

}  // namespace attune
