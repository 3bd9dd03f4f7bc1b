// The random BERT of tests/fixtures/tiny_bert and what sentence-transformers made of it
// (tests/oracles/make_tiny_bert.py).
#pragma once

#include <atomic>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include "core/json.h"
#include "data/qa_dataset.h"
#include "models/embedding_model.h"
#include "tests/support/paths.h"

namespace attune {

inline const std::string kTinyBert = source_path("tests/fixtures/tiny_bert");

inline const Json& tiny_golden() {
  static const Json golden = read_json_file(kTinyBert + "/golden.json");
  return golden;
}

inline std::shared_ptr<EmbeddingModel> load_tiny_bert() {
  return EmbeddingModel::load(kTinyBert, at::kCPU);
}

// The rows of the golden training run: query, positive, negative.
inline TrainingRows tiny_rows() {
  TrainingRows rows;
  rows.columns.resize(3);
  rows.document_id.resize(2);
  for (const Json& row : tiny_golden()["training"]["rows"]) {
    for (int c = 0; c < 3; ++c) rows.columns[c].push_back(row[c].get_ref<const std::string&>());
    rows.document_id[0].push_back(rows.num_rows() - 1);
    rows.document_id[1].push_back(100 + rows.num_rows());
  }
  return rows;
}

// The same pairs, without the negatives, as a data set.
inline EmbeddingQAFinetuneDataset tiny_dataset() {
  EmbeddingQAFinetuneDataset dataset;
  const TrainingRows rows = tiny_rows();
  for (std::int64_t i = 0; i < rows.num_rows(); ++i) {
    dataset.queries.add("q" + std::to_string(i), std::string(rows.columns[0][i]));
    dataset.corpus.add("d" + std::to_string(i), std::string(rows.columns[1][i]));
    dataset.relevant_docs.push_back({i});
  }
  return dataset;
}

// A folder of this process, removed with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static std::atomic<int> count{0};
    path_ = (std::filesystem::temp_directory_path() /
             ("attune_test_" + std::to_string(getpid()) + "_" + std::to_string(count++)))
                .string();
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline void write_text(const std::string& path, std::string_view text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  FILE* file = fopen(path.c_str(), "wb");
  fwrite(text.data(), 1, text.size(), file);
  fclose(file);
}

}  // namespace attune
