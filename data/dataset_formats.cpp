#include "data/dataset_formats.h"

#include <filesystem>

#include "core/error.h"
#include "data/beir.h"

namespace attune {

DatasetFormat dataset_format(const std::string& path) {
  if (is_beir(path)) return DatasetFormat::kBeir;
  const std::string name = path.ends_with(".gz") ? path.substr(0, path.size() - 3) : path;
  if (name.ends_with(".jsonl")) return DatasetFormat::kJsonLines;
  if (name.ends_with(".csv")) return DatasetFormat::kCsv;
  if (name.ends_with(".tsv")) return DatasetFormat::kTsv;
  if (name.ends_with(".parquet"))
    throw_error(ErrorKind::kData, path, ": Parquet is not read; in Python: pandas.read_parquet(\"",
                path,
                "\").to_json(\"rows.jsonl\", orient=\"records\", lines=True), then take "
                "rows.jsonl (docs/formats.md)");
  return DatasetFormat::kJson;
}

const char* format_name(DatasetFormat format) {
  switch (format) {
    case DatasetFormat::kJson:
      return "LlamaIndex JSON";
    case DatasetFormat::kJsonLines:
      return "JSONL";
    case DatasetFormat::kCsv:
      return "CSV";
    case DatasetFormat::kTsv:
      return "TSV";
    case DatasetFormat::kBeir:
      return "BEIR";
  }
  return "";
}

bool is_table(DatasetFormat format) {
  return format == DatasetFormat::kJsonLines || format == DatasetFormat::kCsv ||
         format == DatasetFormat::kTsv;
}

EmbeddingQAFinetuneDataset load_qa_dataset(const std::string& path) {
  const DatasetFormat format = dataset_format(path);
  if (is_table(format))
    throw_error(ErrorKind::kData, path, ": a table of rows (", format_name(format),
                "), expected queries, passages and which answers which; `attune data convert ",
                path, " OUT.json` makes such a data set of it");
  if (format == DatasetFormat::kBeir) return read_beir(path).dataset;
  return EmbeddingQAFinetuneDataset::from_json(path);
}

Fingerprint fingerprint_dataset_files(const std::string& path) {
  if (!is_beir(path)) return sha256_file(path);
  Sha256 hash;
  for (const std::string& file : beir_files(path)) hash.update(sha256_file(file));
  return hash.hex();
}

}  // namespace attune
