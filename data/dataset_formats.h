// Which format a data set has, told by its name, and reading one of any.
//
//   NAME.json              LlamaIndex's EmbeddingQAFinetuneDataset (data/qa_dataset.h)
//   NAME.jsonl, .csv, .tsv a table of rows: pairs, triplets, n-tuples, with or without labels
//                          (data/row_reader.h)
//   DIR, DIR/qrels/X.tsv   a BEIR folder (data/beir.h); a folder alone where it has one split
//
// All but folders are also read as .gz, and files of a BEIR folder may be.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/hash.h"
#include "data/qa_dataset.h"

namespace attune {

enum class DatasetFormat : std::uint8_t { kJson, kJsonLines, kCsv, kTsv, kBeir };

// Any name that says nothing else is kJson's. Error{kData}: .parquet, with how to convert it.
DatasetFormat dataset_format(const std::string& path);
const char* format_name(DatasetFormat format);
bool is_table(DatasetFormat format);

// What became of what a file holds; rows that are refused are told with their lines.
struct RowCounts {
  std::int64_t used = 0, refused = 0;
  std::map<std::string, std::int64_t> skipped;  // why -> how many
};

// kJson or kBeir; a table is Error{kData}. Every mistake up to 20 is named at once.
EmbeddingQAFinetuneDataset load_qa_dataset(const std::string& path);

// Of the bytes of every file that it is read from.
Fingerprint fingerprint_dataset_files(const std::string& path);

}  // namespace attune
