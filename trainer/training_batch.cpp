#include "trainer/training_batch.h"

namespace attune {

TrainingBatch describe_rows(const TrainingRows& rows, std::int64_t step,
                            const std::vector<std::int64_t>& chosen) {
  TrainingBatch batch;
  batch.step = step;
  batch.rows = static_cast<int>(chosen.size());
  batch.columns = static_cast<int>(rows.columns.size());
  batch.row = chosen;
  for (const std::vector<std::int64_t>& column : rows.document_id)
    for (const std::int64_t row : chosen) batch.document_id.push_back(column[row]);
  batch.labels_per_row = rows.labels_per_row;
  for (const std::int64_t row : chosen) {
    if (!rows.relevant.empty()) batch.relevant.push_back(rows.relevant[rows.query_id[row]]);
    const auto first = rows.labels.begin() + row * rows.labels_per_row;
    batch.labels.insert(batch.labels.end(), first, first + rows.labels_per_row);
  }
  return batch;
}

}  // namespace attune
