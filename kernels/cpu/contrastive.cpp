// The plain form of the contrastive kernels, in double precision: what the CUDA kernels are held
// to.
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cross_entropy.h"

namespace attune {
namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();

std::vector<double> row_scores(const ContrastiveScores& s, std::int64_t row) {
  std::vector<double> scores(s.columns);
  for (std::int64_t j = 0; j < s.columns; ++j) {
    const bool out =
        j != s.first_target + row && ((s.left_out && s.left_out[row * s.columns + j]) ||
                                      (s.row_ids && s.row_ids[row] == s.column_ids[j]));
    scores[j] = out ? kNothing : static_cast<double>(s.scale) * s.x[row * s.columns + j];
  }
  return scores;
}

void put(const ContrastiveScores& scores, double factor, std::int64_t row,
         const std::vector<double>& values) {
  float* x = scores.x + row * scores.columns;
  for (const double value : values) *x++ = static_cast<float>(factor * value);
}

double log_sum_exp(const std::vector<double>& values) {
  double top = kNothing, total = 0;
  for (const double x : values) top = x > top || std::isnan(x) ? x : top;
  if (top == kNothing) return top;
  for (const double x : values) total += std::exp(x - top);
  return top + std::log(total);
}

}  // namespace

void contrastive_cross_entropy_cpu(const ContrastiveScores& scores, float factor, float* losses) {
  for (std::int64_t i = 0; i < scores.rows; ++i) {
    std::vector<double> s = row_scores(scores, i);
    const double lse = log_sum_exp(s);
    const std::int64_t target = scores.first_target + i;
    losses[i] = static_cast<float>(lse - s[target]);
    for (double& x : s) x = std::exp(x - lse);
    s[target] -= 1;
    put(scores, factor, i, s);
  }
}

void log_sum_exp_cpu(const ContrastiveScores& scores, float* row_lse, float* column_lse) {
  std::vector<std::vector<double>> rows;
  for (std::int64_t i = 0; i < scores.rows; ++i) {
    rows.push_back(row_scores(scores, i));
    if (row_lse) row_lse[i] = static_cast<float>(log_sum_exp(rows.back()));
  }
  if (!column_lse) return;
  for (std::int64_t j = 0; j < scores.columns; ++j) {
    std::vector<double> column = {column_lse[j]};
    for (const std::vector<double>& row : rows) column.push_back(row[j]);
    column_lse[j] = static_cast<float>(log_sum_exp(column));
  }
}

void symmetric_cross_entropy_cpu(const ContrastiveScores& scores, const SymmetricShares& shares,
                                 const float* row_lse, const float* column_lse, float factor,
                                 float* losses) {
  for (std::int64_t i = 0; i < scores.rows; ++i) {
    std::vector<double> s = row_scores(scores, i);
    const std::int64_t target = scores.first_target + i;
    losses[i] = static_cast<float>(shares.row * (row_lse[i] - s[target]) +
                                   shares.column * (column_lse[target] - s[target]));
    for (std::int64_t j = 0; j < scores.columns; ++j) {
      double g = shares.row * std::exp(s[j] - row_lse[i]);
      if (j < shares.target_columns && s[j] != kNothing)
        g += shares.column * std::exp(s[j] - column_lse[j]);
      s[j] = g;
    }
    s[target] -= static_cast<double>(shares.row) + shares.column;
    put(scores, factor, i, s);
  }
}

}  // namespace attune
