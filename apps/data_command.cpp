// `attune data stats|check|convert|split|head`: what a data set holds, and making another of it.
#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "apps/standard_output.h"
#include "apps/verbs.h"
#include "core/durable.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "data/dataset_check.h"
#include "data/dataset_convert.h"
#include "data/dataset_formats.h"
#include "data/row_reader.h"
#include "data/splits.h"

namespace attune {
namespace {

double parse_share(const std::string& text, const char* option) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || !(value >= 0 && value <= 1))
    throw_error(ErrorKind::kConfig, option, ": '", text, "' is no number from 0 to 1");
  return value;
}

std::string json_line(const Json& value) { return dump_json_like_python(value, -1) + "\n"; }

// The beginning of a text, on one line.
std::string excerpt(const std::string& text) {
  std::string shown = dump_json_like_python(Json(text), -1);
  if (shown.size() > 100) shown = shown.substr(0, 97) + "...";
  return shown;
}

// "0.8,0.1,0.1"
std::vector<double> parse_shares(const std::string& text) {
  std::vector<double> shares;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    shares.push_back(parse_share(text.substr(begin, comma - begin), "--shares"));
    begin = comma + 1;
  }
  return shares;
}

const char* part_name(std::size_t part, std::size_t parts) {
  if (part == 0) return "train";
  return part + 1 == parts ? "test" : "validation";
}

}  // namespace

void data_stats_command(const Arguments& arguments, const RunConfig&) {
  std::int64_t refused = 0;
  Json all = Json::array();
  for (const std::string& file : arguments.positionals()) {
    const DatasetSummary summary = summarize_dataset(file);
    refused += summary.rows.refused;
    if (arguments.has("--json"))
      all.push_back(summary.to_json());
    else
      write_stdout(summary.to_text());
  }
  if (arguments.has("--json")) write_stdout(json_line({{"datasets", all}}));
  if (refused > 0 && !arguments.has("--json"))
    write_stdout("what is refused keeps a data set from being trained on\n");
}

void data_check_command(const Arguments& arguments, const RunConfig&) {
  std::vector<DatasetSummary> summaries;
  std::int64_t mistakes = 0;
  for (const std::string& file : arguments.positionals()) {
    summaries.push_back(summarize_dataset(file));
    mistakes += summaries.back().rows.refused;
    write_stdout(summaries.back().to_text());
  }
  const Leaks leaks = find_leaks(summaries);
  for (const Leak& leak : leaks.shown)
    write_stdout(str_cat("leak: the ", leak.what, " of ", leak.first, ", ", leak.first_place,
                         ", is in ", leak.second, ", ", leak.second_place, ": ", excerpt(leak.text),
                         "\n"));
  if (mistakes + leaks.queries + leaks.passages > 0)
    throw_error(ErrorKind::kData, mistakes, " refused, ", leaks.queries, " queries and ",
                leaks.passages, " passages that stand in more than one of the files");
  write_stdout("fine\n");
}

void data_convert_command(const Arguments& arguments, const RunConfig&) {
  ConvertOptions options;
  options.negatives = arguments.value("--negatives");
  options.split = arguments.value("--split", options.split);
  options.may_lose = arguments.has("--lossy");
  const Converted made =
      convert_dataset(arguments.positionals()[0], arguments.positionals()[1], options);
  if (arguments.has("--json")) {
    write_stdout(json_line({{"output", arguments.positionals()[1]},
                            {"format", made.format},
                            {"rows", made.rows},
                            {"passages", made.passages},
                            {"lost", made.lost},
                            {"notes", made.notes}}));
    return;
  }
  write_stdout(str_cat(
      arguments.positionals()[1], " (", made.format, "): ", made.rows,
      made.passages > 0 ? str_cat(" queries, ", made.passages, " passages") : std::string(" rows"),
      "\n"));
  for (const std::string& note : made.notes) write_stdout("  " + note + "\n");
  for (const std::string& lost : made.lost) write_stdout("  lost: " + lost + "\n");
}

void data_head_command(const Arguments& arguments, const RunConfig&) {
  const std::int64_t count = arguments.number("--rows", 5, 1);
  if (!is_table(dataset_format(arguments.positionals()[0]))) {
    const EmbeddingQAFinetuneDataset dataset = load_qa_dataset(arguments.positionals()[0]);
    for (std::int64_t query = 0; query < std::min(count, dataset.queries.size()); ++query) {
      Json passages = Json::array();
      for (const std::int64_t passage : dataset.relevant_docs[query])
        passages.push_back(dataset.corpus.text(passage));
      write_stdout(json_line({{"query", dataset.queries.text(query)}, {"passages", passages}}));
    }
    return;
  }
  RowReader reader(arguments.positionals()[0]);
  Row row;
  for (std::int64_t shown = 0; shown < count; ++shown) {
    const RowReader::State state = reader.next(row);
    if (state == RowReader::State::kEnd) return;
    if (state == RowReader::State::kRefused)
      throw_error(ErrorKind::kData, arguments.positionals()[0], ": ", reader.refusal());
    write_stdout(
        RowFormat(DatasetFormat::kJsonLines, reader.columns(), reader.label_column()).line(row));
  }
}

void data_split_command(const Arguments& arguments, const RunConfig&) {
  const std::vector<double> shares = parse_shares(arguments.value("--shares", "0.8,0.1,0.1"));
  if (shares.size() < 2 || shares.size() > 3)
    throw_error(ErrorKind::kConfig, "--shares names ", shares.size(),
                " parts, expected 2 (train, test) or 3 (train, validation, test)");
  const std::string folder = arguments.value("--output");
  if (file_exists(folder))
    throw_error(ErrorKind::kConfig, folder, ": is there already; give another --output");
  const double near = parse_share(arguments.value("--near-duplicates", "0.8"), "--near-duplicates");
  const EmbeddingQAFinetuneDataset dataset = load_qa_dataset(arguments.positionals()[0]);
  const auto parts = split_dataset(dataset, shares, near,
                                   static_cast<std::uint64_t>(arguments.number("--seed", 0, 0)));
  DurableDirectory out(folder);
  Json told = Json::array();
  for (std::size_t part = 0; part < parts.size(); ++part) {
    const std::string name = std::string(part_name(part, parts.size())) + ".json";
    out.write(name, parts[part].to_json());
    told.push_back({{"path", folder + "/" + name},
                    {"queries", parts[part].queries.size()},
                    {"passages", parts[part].corpus.size()}});
  }
  out.commit();
  if (arguments.has("--json")) {
    write_stdout(json_line({{"parts", told}}));
    return;
  }
  for (const Json& part : told)
    write_stdout(str_cat(part["path"].get<std::string>(), ": ", part["queries"], " queries, ",
                         part["passages"], " passages\n"));
}

}  // namespace attune
