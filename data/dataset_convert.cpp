#include "data/dataset_convert.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>

#include "core/durable.h"
#include "core/error.h"
#include "core/file.h"
#include "data/beir.h"
#include "data/mistakes.h"
#include "data/row_reader.h"
#include "data/training_data.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

DatasetFormat output_format(const std::string& output) {
  const fs::path path(output);
  const std::string suffix = path.extension();
  if (suffix.empty()) {
    if (file_exists(output))
      throw_error(ErrorKind::kConfig, output,
                  ": is there already; a BEIR folder is written anew, never over another one");
    return DatasetFormat::kBeir;
  }
  if (suffix == ".json") return DatasetFormat::kJson;
  if (suffix == ".jsonl") return DatasetFormat::kJsonLines;
  if (suffix == ".csv") return DatasetFormat::kCsv;
  if (suffix == ".tsv") return DatasetFormat::kTsv;
  throw_error(
      ErrorKind::kConfig, output, ": '", suffix,
      "' is not written; expected .json, .jsonl, .csv, .tsv, or no suffix for a BEIR folder");
}

// Lines gathered to pieces that are worth a write.
class LineBuffer {
 public:
  explicit LineBuffer(const std::function<void(std::string_view)>& write) : write_(write) {}
  void add(std::string_view line) {
    lines_ += line;
    if (lines_.size() >= kPieceBytes) flush();
  }
  void flush() {
    write_(lines_);
    lines_.clear();
  }

 private:
  static constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
  const std::function<void(std::string_view)>& write_;
  std::string lines_;
};

class Conversion {
 public:
  Conversion(std::string input, std::string output, const ConvertOptions& options)
      : input_(std::move(input)),
        output_(std::move(output)),
        options_(options),
        from_(dataset_format(input_)),
        to_(output_format(output_)) {
    result_.format = format_name(to_);
    if (!options_.negatives.empty() && (is_table(from_) || !is_table(to_)))
      throw_error(ErrorKind::kConfig,
                  "--negatives is for a data set of queries and passages that becomes a table");
  }

  Converted run() {
    if (is_table(from_) && is_table(to_))
      table_to_table();
    else if (is_table(from_))
      table_to_dataset();
    else
      dataset_to_any();
    return result_;
  }

 private:
  void lose(std::int64_t count, const std::string& what) {
    if (count > 0) result_.lost.push_back(str_cat(count, " ", what));
  }

  // To be called before anything is written.
  void refuse_losses() const {
    if (result_.lost.empty() || options_.may_lose) return;
    std::string what;
    for (const std::string& lost : result_.lost) what += "\n  " + lost;
    throw_error(ErrorKind::kData, input_, ": ", result_.format, " would not hold", what,
                "\n--lossy converts nevertheless");
  }

  void table_to_table() {
    RowReader reader(input_);
    Mistakes mistakes(input_);
    write_file_durably(output_, [&](const auto& write) {
      LineBuffer out(write);
      std::optional<RowFormat> format;
      Row row;
      for (auto state = reader.next(row); state != RowReader::State::kEnd;
           state = reader.next(row)) {
        if (state == RowReader::State::kRefused) {
          mistakes.add(reader.refusal());
          continue;
        }
        if (!format) {
          format.emplace(to_, reader.columns(), reader.label_column());
          out.add(format->heading());
        }
        out.add(format->line(row));
        ++result_.rows;
      }
      out.flush();
      mistakes.throw_if_any("nothing is converted; `attune data check` tells more");
      if (!format) throw_error(ErrorKind::kData, input_, ": no row is there");
    });
  }

  void table_to_dataset() {
    const TrainingData data = TrainingData::load(input_);
    const RowTable& table = *data.table;
    if (table.labels_per_row > 0)
      throw_error(ErrorKind::kData, input_,
                  ": its labels say how near texts are, not which passage "
                  "answers a query, which ",
                  result_.format, " holds; leave the label's column out to keep every pair");
    std::int64_t pairs = 0;
    for (const auto& relevant : data.dataset.relevant_docs) pairs += std::ssize(relevant);
    lose(std::ssize(table.query_id) - pairs, "rows whose first two texts stand in an earlier row");
    lose(std::max<std::int64_t>(0, std::ssize(table.document_id) - 1),
         "further columns (negatives): their texts become passages that answer nothing");
    result_.notes.emplace_back("ids are numbers: a table has none");
    write_dataset(data.dataset);
  }

  void dataset_to_any() {
    EmbeddingQAFinetuneDataset dataset;
    if (from_ == DatasetFormat::kBeir) {
      BeirDataset read = read_beir(input_);
      dataset = std::move(read.dataset);
      lose(read.graded, "judgements above 1: only that they are relevant is kept");
      lose(read.more, "lines with further keys (metadata)");
      for (const auto& [why, count] : read.counts.skipped) lose(count, "times " + why);
      result_.notes.emplace_back("a title and a text are one text");
    } else {
      dataset = EmbeddingQAFinetuneDataset::from_json(input_);
    }
    if (is_table(to_))
      write_table(dataset);
    else
      write_dataset(dataset);
  }

  void write_dataset(const EmbeddingQAFinetuneDataset& dataset) {
    result_.rows = dataset.queries.size();
    result_.passages = dataset.corpus.size();
    refuse_losses();
    if (to_ == DatasetFormat::kBeir)
      write_beir(dataset, output_, options_.split);
    else
      dataset.save_json(output_);
  }

  void write_table(const EmbeddingQAFinetuneDataset& dataset) {
    const TrainingRows rows = make_training_rows(dataset, true, options_.negatives);
    std::vector<bool> is_used(dataset.corpus.size());
    for (const auto& documents : rows.document_id)
      for (const std::int64_t document : documents) is_used[document] = true;
    lose(std::count(is_used.begin(), is_used.end(), false), "passages that stand in no row");
    lose(rows.skipped_unanswered, "queries that no passage answers");
    lose(rows.skipped_empty, "rows with an empty text");
    lose(rows.skipped_without_negatives, "queries without hard negatives");
    if (rows.num_rows() == 0) throw_error(ErrorKind::kData, input_, ": no row can be made of it");
    result_.rows = rows.num_rows();
    result_.notes.emplace_back("ids are not kept: rows hold texts");
    refuse_losses();
    std::vector<std::string> columns = {"query", "positive"};
    for (std::size_t c = 2; c < rows.columns.size(); ++c)
      columns.push_back(rows.columns.size() == 3 ? "negative" : str_cat("negative_", c - 1));
    const RowFormat format(to_, columns, "");
    write_file_durably(output_, [&](const auto& write) {
      LineBuffer out(write);
      out.add(format.heading());
      Row row;
      for (std::int64_t i = 0; i < rows.num_rows(); ++i) {
        row.texts.clear();
        for (const auto& column : rows.columns) row.texts.emplace_back(column[i]);
        out.add(format.line(row));
      }
      out.flush();
    });
  }

  std::string input_, output_;
  const ConvertOptions& options_;
  DatasetFormat from_, to_;
  Converted result_;
};

}  // namespace

Converted convert_dataset(const std::string& input, const std::string& output,
                          const ConvertOptions& options) {
  return Conversion(input, output, options).run();
}

}  // namespace attune
