#include "data/dataset_check.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <utility>

#include "core/error.h"
#include "data/beir.h"
#include "data/row_reader.h"

namespace attune {
namespace {

constexpr std::size_t kShown = 20;

std::uint64_t hash_of(std::string_view text) { return std::hash<std::string_view>{}(text); }

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool is_blank(std::string_view text) { return std::all_of(text.begin(), text.end(), is_space); }

void add_text(ColumnSummary& column, std::string_view text) {
  std::int64_t words = 0, characters = 0;
  bool inside = false;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) ++characters;
    if (!is_space(c) && !inside) ++words;
    inside = !is_space(c);
  }
  column.words.add(static_cast<double>(words));
  column.characters.add(static_cast<double>(characters));
}

std::int64_t keep_each_once(std::vector<std::uint64_t>& hashes) {
  std::sort(hashes.begin(), hashes.end());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  return std::ssize(hashes);
}

// Fills a summary from one text after the other.
class Summarizer {
 public:
  Summarizer(DatasetSummary& summary, const OnText& on_text)
      : summary_(summary), on_text_(on_text) {}

  void summarize() {
    try {
      if (is_table(summary_.format))
        read_table();
      else
        read_dataset();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kData) throw;
      refuse(error.what());
    }
  }

 private:
  using Pair = std::pair<std::uint64_t, std::uint64_t>;

  void refuse(const std::string& what) {
    ++summary_.rows.refused;
    if (summary_.refusals.size() < kShown) summary_.refusals.push_back(what);
  }

  void tell(int what, std::uint64_t hash, std::string_view text, const std::string& place) const {
    if (on_text_) on_text_(what, hash, text, place);
  }

  void read_table() {
    RowReader reader(summary_.path);
    Row row;
    std::vector<std::vector<std::uint64_t>> more;  // [columns - 2] hashes
    for (auto state = reader.next(row); state != RowReader::State::kEnd; state = reader.next(row)) {
      if (state == RowReader::State::kRefused) {
        refuse(reader.refusal());
        continue;
      }
      if (std::any_of(row.texts.begin(), row.texts.end(), is_blank)) {
        ++summary_.rows.skipped["a text is empty"];
        continue;
      }
      ++summary_.rows.used;
      if (summary_.columns.empty()) {
        for (const std::string& name : reader.columns()) summary_.columns.push_back({.name = name});
        more.resize(row.texts.size() - 2);
      }
      for (std::size_t c = 0; c < row.texts.size(); ++c)
        add_text(summary_.columns[c], row.texts[c]);
      for (std::size_t c = 0; c < more.size(); ++c) more[c].push_back(hash_of(row.texts[c + 2]));
      const Pair pair{hash_of(row.texts[0]), hash_of(row.texts[1])};
      pairs_.push_back(pair);
      if (on_text_) {
        const std::string place = str_cat("line ", reader.line_number());
        tell(0, pair.first, row.texts[0], place);
        tell(1, pair.second, row.texts[1], place);
      }
      if (row.label.is_number()) summary_.labels.add(row.label.get<double>());
      if (row.label.is_array())
        for (const Json& number : row.label) summary_.labels.add(number.get<double>());
    }
    if (summary_.columns.empty()) return;
    for (std::size_t c = 0; c < more.size(); ++c)
      summary_.columns[c + 2].distinct = keep_each_once(more[c]);
    finish_pairs(reader.label_column().empty());
    summary_.columns[0].distinct = std::ssize(summary_.queries);
    summary_.columns[1].distinct = std::ssize(summary_.passages);
  }

  void read_dataset() {
    EmbeddingQAFinetuneDataset dataset;
    if (summary_.format == DatasetFormat::kBeir) {
      BeirDataset read = read_beir(summary_.path);
      dataset = std::move(read.dataset);
      summary_.rows = std::move(read.counts);
    } else {
      dataset = EmbeddingQAFinetuneDataset::from_json(summary_.path);
      summary_.rows.used = dataset.queries.size() + dataset.corpus.size();
    }
    summary_.columns = {{.name = "queries"}, {.name = "corpus"}};
    std::array<const TextTable*, 2> tables{&dataset.queries, &dataset.corpus};
    std::array<std::vector<std::uint64_t>, 2> hashes;
    for (std::size_t c = 0; c < 2; ++c) {
      for (const std::string& text : tables[c]->texts()) {
        add_text(summary_.columns[c], text);
        hashes[c].push_back(hash_of(text));
      }
    }
    for (std::int64_t query = 0; query < dataset.queries.size(); ++query) {
      tell(0, hashes[0][query], dataset.queries.text(query), "'" + dataset.queries.id(query) + "'");
      summary_.relevant_per_query.add(static_cast<double>(dataset.relevant_docs[query].size()));
      for (const std::int64_t passage : dataset.relevant_docs[query]) {
        pairs_.emplace_back(hashes[0][query], hashes[1][passage]);
        tell(1, hashes[1][passage], dataset.corpus.text(passage),
             "'" + dataset.corpus.id(passage) + "'");
      }
    }
    finish_pairs(false);
    summary_.columns[0].distinct = keep_each_once(hashes[0]);
    summary_.columns[1].distinct = keep_each_once(hashes[1]);
    summary_.queries = std::move(hashes[0]);  // those without an answer, too
  }

  void finish_pairs(bool counts_relevant) {
    summary_.pairs = std::ssize(pairs_);
    std::sort(pairs_.begin(), pairs_.end());
    pairs_.erase(std::unique(pairs_.begin(), pairs_.end()), pairs_.end());
    summary_.repeated_pairs = summary_.pairs - std::ssize(pairs_);
    for (std::size_t begin = 0, end = 0; begin < pairs_.size(); begin = end) {
      while (end < pairs_.size() && pairs_[end].first == pairs_[begin].first) ++end;
      summary_.queries.push_back(pairs_[begin].first);
      if (counts_relevant) summary_.relevant_per_query.add(static_cast<double>(end - begin));
    }
    summary_.passages.reserve(pairs_.size());
    for (const Pair& pair : pairs_) summary_.passages.push_back(pair.second);
    pairs_ = {};
    keep_each_once(summary_.passages);
  }

  DatasetSummary& summary_;
  const OnText& on_text_;
  std::vector<Pair> pairs_;  // query, passage
};

Json spread_json(const Spread& spread) {
  if (spread.count == 0) return nullptr;
  return {{"min", spread.least}, {"mean", spread.mean()}, {"max", spread.most}};
}

std::string number_text(double value) {
  std::array<char, 32> out{};
  std::snprintf(out.data(), out.size(), "%.6g", value);
  return out.data();
}

std::string spread_text(const Spread& spread) {
  return number_text(spread.least) + " to " + number_text(spread.most) + ", mean " +
         number_text(spread.mean());
}

struct Shared {
  const char* what = "";
  int column = 0;
  std::uint64_t hash = 0;
  std::size_t first = 0, second = 0;  // of the summaries
};

}  // namespace

void Spread::add(double value) {
  ++count;
  least = std::min(least, value);
  most = std::max(most, value);
  sum += value;
}

Json DatasetSummary::to_json() const {
  Json out{{"path", path}, {"format", format_name(format)}, {"used", rows.used}};
  out["skipped"] = Json::object();
  for (const auto& [why, count] : rows.skipped) out["skipped"][why] = count;
  out["refused"] = rows.refused;
  out["columns"] = Json::array();
  for (const ColumnSummary& column : columns)
    out["columns"].push_back({{"name", column.name},
                              {"texts", column.words.count},
                              {"distinct", column.distinct},
                              {"words", spread_json(column.words)},
                              {"characters", spread_json(column.characters)}});
  out["pairs"] = pairs;
  out["repeated_pairs"] = repeated_pairs;
  out["relevant_per_query"] = spread_json(relevant_per_query);
  out["labels"] = spread_json(labels);
  return out;
}

std::string DatasetSummary::to_text() const {
  std::string out = str_cat(path, " (", format_name(format), "): ", rows.used, " used");
  for (const auto& [why, count] : rows.skipped) out += str_cat(", ", count, " skipped: ", why);
  out += str_cat(", ", rows.refused, " refused\n");
  for (const std::string& refusal : refusals) out += "  " + refusal + "\n";
  if (rows.refused > std::ssize(refusals))
    out += str_cat("  and ", rows.refused - std::ssize(refusals), " more\n");
  for (const ColumnSummary& column : columns) {
    out += str_cat("  ", column.name, ": ", column.words.count, " texts, ", column.distinct,
                   " different");
    if (column.words.count > 0)
      out +=
          "; words " + spread_text(column.words) + "; characters " + spread_text(column.characters);
    out += "\n";
  }
  if (pairs > 0) out += str_cat("  pairs: ", pairs, ", of them ", repeated_pairs, " repeated\n");
  if (relevant_per_query.count > 0)
    out += "  relevant passages a query: " + spread_text(relevant_per_query) + "\n";
  if (labels.count > 0) out += "  labels: " + spread_text(labels) + "\n";
  return out;
}

DatasetSummary summarize_dataset(const std::string& path, const OnText& on_text) {
  DatasetSummary summary;
  summary.path = path;
  summary.format = dataset_format(path);
  Summarizer(summary, on_text).summarize();
  return summary;
}

Leaks find_leaks(std::span<const DatasetSummary> summaries) {
  Leaks leaks;
  std::vector<Shared> shared;  // those that are shown
  for (std::size_t a = 0; a < summaries.size(); ++a)
    for (std::size_t b = a + 1; b < summaries.size(); ++b)
      for (const int column : {0, 1}) {
        const auto hashes = [&](const DatasetSummary& summary) -> const auto& {
          return column == 0 ? summary.queries : summary.passages;
        };
        std::vector<std::uint64_t> both;
        std::ranges::set_intersection(hashes(summaries[a]), hashes(summaries[b]),
                                      std::back_inserter(both));
        (column == 0 ? leaks.queries : leaks.passages) += std::ssize(both);
        for (const std::uint64_t hash : both)
          if (shared.size() < kShown)
            shared.push_back({column == 0 ? "query" : "passage", column, hash, a, b});
      }
  if (shared.empty()) return leaks;
  // Where they stand is read once more: keeping a place for every text would take more memory.
  std::map<std::pair<std::size_t, std::pair<int, std::uint64_t>>,
           std::pair<std::string, std::string>>
      found;  // (summary, (column, hash)) -> its first place, its text
  for (const Shared& each : shared)
    for (const std::size_t summary : {each.first, each.second})
      found[{summary, {each.column, each.hash}}] = {};
  for (std::size_t i = 0; i < summaries.size(); ++i)
    summarize_dataset(summaries[i].path, [&](int column, std::uint64_t hash, std::string_view text,
                                             const std::string& place) {
      const auto at = found.find({i, {column, hash}});
      if (at != found.end() && at->second.first.empty()) at->second = {place, std::string(text)};
    });
  for (const Shared& each : shared) {
    const auto& first = found[{each.first, {each.column, each.hash}}];
    const auto& second = found[{each.second, {each.column, each.hash}}];
    leaks.shown.push_back({each.what, summaries[each.first].path, summaries[each.second].path,
                           first.first, second.first, first.second});
  }
  return leaks;
}

}  // namespace attune
