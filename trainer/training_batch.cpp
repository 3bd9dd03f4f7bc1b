#include "trainer/training_batch.h"

namespace attune {

TrainingBatch describe_rows(const TrainingRows& rows, std::int64_t step,
                            const std::vector<std::int64_t>& chosen) {
  TrainingBatch batch;
  batch.step = step;
  batch.rows = static_cast<int>(chosen.size());
  batch.columns = rows.num_columns(chosen[0]);
  batch.row = chosen;
  for (int c = 0; c + 1 < batch.columns && c < std::ssize(rows.document_id); ++c)
    for (const std::int64_t row : chosen) batch.document_id.push_back(rows.document_id[c][row]);
  batch.labels_per_row = rows.num_labels(chosen[0]);
  const auto relevant = rows.relevant_of(chosen[0]);
  for (const std::int64_t row : chosen) {
    if (!relevant.empty()) batch.relevant.push_back(relevant[rows.query_id[row]]);
    const auto first = rows.labels.begin() + row * rows.labels_per_row;
    batch.labels.insert(batch.labels.end(), first, first + batch.labels_per_row);
  }
  return batch;
}

}  // namespace attune
