#include "retrieval/query_results.h"

#include <algorithm>
#include <unordered_set>

#include "core/durable.h"
#include "core/error.h"
#include "core/json.h"
#include "data/lines.h"

namespace attune {
namespace {

constexpr int kFormat = 1;
// More answers to one question than any data set has: bounds what a damaged file makes us allocate.
constexpr std::int64_t kMaxRelevant = 1000000;
constexpr int kMaxCut = 1000000;
constexpr std::size_t kMaxSystems = 100;

// Six digits are more than a ranking's noise and half the file.
Json rounded(float score) {
  if (std::isnan(score)) return nullptr;
  return static_cast<double>(std::llround(static_cast<double>(score) * 1e6)) / 1e6;
}

float score_of(const Json& value) { return value.is_null() ? NAN : value.get<float>(); }

Json to_json(const QueryResult& result) {
  Json found = Json::array();
  for (const FoundPassage& passage : result.found)
    found.push_back({passage.id, rounded(passage.score)});
  return {{"ranks", result.ranks},
          {"found", found},
          {"positive", rounded(result.positive)},
          {"negative", rounded(result.negative)},
          {"random", rounded(result.random)}};
}

QueryResult parse_result(const Json& json, std::int64_t num_relevant, std::int64_t depth) {
  QueryResult result;
  result.ranks = json.at("ranks").get<std::vector<std::int64_t>>();
  std::int64_t before = 0;
  for (const std::int64_t rank : result.ranks) {
    if (rank <= before || rank > depth)
      throw_error(ErrorKind::kData, "\"ranks\" must ascend within 1 to ", depth, ", found ", rank);
    before = rank;
  }
  if (std::ssize(result.ranks) > num_relevant)
    throw_error(ErrorKind::kData, "\"ranks\" holds ", result.ranks.size(), " of ", num_relevant,
                " relevant passages");
  if (json.at("found").size() > kFoundPassages)
    throw_error(ErrorKind::kData, "\"found\" holds more than ", kFoundPassages, " passages");
  for (const Json& entry : json.at("found"))
    result.found.push_back({entry.at(0).get<std::string>(), entry.at(1).get<float>()});
  result.positive = score_of(json.at("positive"));
  result.negative = score_of(json.at("negative"));
  result.random = score_of(json.at("random"));
  return result;
}

void parse_head(const Json& json, QueryResults& results) {
  if (json.at("attune_query_results") != kFormat)
    throw_error(ErrorKind::kData, "\"attune_query_results\" is ",
                json.at("attune_query_results").dump(), ", expected ", kFormat,
                ": it was written by another version; evaluate again");
  results.dataset = json.at("dataset").get<std::string>();
  results.dataset_sha256 = json.at("sha256").get<std::string>();
  results.passages = json.at("passages").get<std::int64_t>();
  results.k = json.at("k").get<std::vector<int>>();
  results.systems = json.at("systems").get<std::vector<std::string>>();
  for (const int cut : results.k)
    if (cut < 1 || cut > kMaxCut)
      throw_error(ErrorKind::kData, "\"k\" holds ", cut, ", expected cut-offs of 1 to ", kMaxCut);
  if (results.k.empty()) throw_error(ErrorKind::kData, "\"k\" holds no cut-off");
  const std::unordered_set<std::string> names(results.systems.begin(), results.systems.end());
  if (names.empty() || names.size() > kMaxSystems || names.size() != results.systems.size())
    throw_error(ErrorKind::kData, "\"systems\" must hold 1 to ", kMaxSystems, " names, each once");
  if (json.contains("candidates")) results.candidates = json.at("candidates").get<int>();
  if (results.candidates < 1 || results.candidates > static_cast<int>(kMaxSystems))
    throw_error(ErrorKind::kData, "\"candidates\" is ", results.candidates, ", expected 1 to ",
                kMaxSystems);
  results.of.resize(results.systems.size());
}

void parse_query(const Json& json, QueryResults& results) {
  const auto relevant = json.at("relevant").get<std::int64_t>();
  if (relevant < 1 || relevant > kMaxRelevant)
    throw_error(ErrorKind::kData, "\"relevant\" is ", relevant, ", expected 1 to ", kMaxRelevant);
  const Json& given = json.at("systems");
  const int depth = std::max(100, *std::max_element(results.k.begin(), results.k.end()));
  for (std::size_t system = 0; system < results.systems.size(); ++system)
    results.of[system].push_back(parse_result(given.at(results.systems[system]), relevant, depth));
  results.query_ids.push_back(json.at("query").get<std::string>());
  results.num_relevant.push_back(relevant);
}

// The ranks as a ranking of made-up rows: relevant ones are 0, 1, ..., others negative.
Ranking ranking_of(const QueryResult& result, std::int64_t num_relevant) {
  Ranking ranking;
  for (std::int64_t row = 0; row < num_relevant; ++row) ranking.relevant.push_back(row);
  std::int64_t next = 0;
  for (std::int64_t rank = 1; next < std::ssize(result.ranks); ++rank)
    ranking.retrieved.push_back(result.ranks[next] == rank ? next++ : -rank);
  return ranking;
}

}  // namespace

int QueryResults::find_system(const std::string& name) const {
  const auto found = std::find(systems.begin(), systems.end(), name);
  return found == systems.end() ? -1 : static_cast<int>(found - systems.begin());
}

MetricTable QueryResults::metrics(int system) const {
  MetricTable table;
  for (std::int64_t query = 0; query < num_queries(); ++query) {
    MetricTable one = compute_metrics({ranking_of(of[system][query], num_relevant[query])}, k);
    if (query == 0) {
      table = std::move(one);
      continue;
    }
    for (std::size_t metric = 0; metric < table.names.size(); ++metric)
      table.per_query[metric].push_back(one.per_query[metric][0]);
  }
  return table;
}

void write_query_results(const std::string& path, const QueryResults& results) {
  const Json head = {{"attune_query_results", kFormat},
                     {"dataset", results.dataset},
                     {"sha256", results.dataset_sha256},
                     {"passages", results.passages},
                     {"k", results.k},
                     {"systems", results.systems},
                     {"candidates", results.candidates}};
  write_file_durably(path, [&](const std::function<void(std::string_view)>& write) {
    write(head.dump() + "\n");
    for (std::int64_t query = 0; query < results.num_queries(); ++query) {
      Json line = {{"query", results.query_ids[query]},
                   {"relevant", results.num_relevant[query]},
                   {"systems", Json::object()}};
      for (std::size_t system = 0; system < results.systems.size(); ++system)
        line["systems"][results.systems[system]] = to_json(results.of[system][query]);
      write(line.dump() + "\n");
    }
  });
}

QueryResults read_query_results(const std::string& path) {
  QueryResults results;
  std::unordered_set<std::string> seen;
  LineReader lines(path);
  for (std::string_view line; lines.next(line);) {
    const std::string place = str_cat(path, ":", lines.line_number());
    const Json json = parse_json(line, place);
    try {
      if (lines.line_number() == 1) {
        parse_head(json, results);
        continue;
      }
      parse_query(json, results);
      if (!seen.insert(results.query_ids.back()).second)
        throw_error(ErrorKind::kData, "query ", Json(results.query_ids.back()).dump(),
                    " stands here twice");
    } catch (const Json::exception& error) {
      throw_error(ErrorKind::kData, place, ": ", error.what(),
                  "; expected what `attune run` writes (docs/formats.md): evaluate again");
    } catch (const Error& error) {
      throw_error(ErrorKind::kData, place, ": ", error.what());
    }
  }
  if (results.query_ids.empty())
    throw_error(ErrorKind::kData, path, ": holds no query: evaluate again");
  return results;
}

}  // namespace attune
