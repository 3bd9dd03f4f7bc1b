#include "retrieval/hard_negatives.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/durable.h"
#include "core/error.h"
#include "core/json.h"
#include "core/progress.h"
#include "data/folded_text.h"
#include "data/samplers.h"
#include "kernels/counter_dropout.h"
#include "retrieval/passage_ranking.h"

namespace attune {
namespace {

// Candidates held at a time: 64 MiB of them, however deep the ranking is.
constexpr std::int64_t kMaxHits = std::int64_t{1} << 22;

// The texts of a table that differ when folded, in its order.
struct DistinctTexts {
  std::vector<std::int64_t> text_of;    // [rows] number of the row's text; -1: blank
  std::vector<std::int64_t> first_row;  // [texts]
  std::int64_t blank = 0;

  explicit DistinctTexts(const TextTable& table) : text_of(table.size(), -1) {
    std::unordered_map<std::string, std::int64_t> number_of;
    for (std::int64_t row = 0; row < table.size(); ++row) {
      std::string key = folded_text(table.text(row));
      if (key.empty()) {
        ++blank;
        continue;
      }
      const auto [place, is_new] = number_of.try_emplace(std::move(key), size());
      if (is_new) first_row.push_back(row);
      text_of[row] = place->second;
    }
  }
  std::int64_t size() const { return std::ssize(first_row); }
  std::vector<std::string_view> texts(const TextTable& table) const {
    std::vector<std::string_view> result;
    for (const std::int64_t row : first_row) result.push_back(table.text(row));
    return result;
  }
};

template <class T>
void sort_unique(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

bool contains(const std::vector<std::int64_t>& sorted, std::int64_t value) {
  return std::binary_search(sorted.begin(), sorted.end(), value);
}

// What answers the queries of one text.
struct Answers {
  std::vector<std::int64_t> texts;      // of passages, ascending
  std::vector<std::int64_t> documents;  // ascending
  std::int64_t given = 0;               // entries of relevant_docs, as the peer counts rows
};

void require_one_of(const char* key, const std::string& value,
                    const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), value) != known.end()) return;
  std::string names;
  for (const std::string& name : known) names += (names.empty() ? "" : ", ") + name;
  throw_error(ErrorKind::kConfig, key, " '", value, "' is not known: expected one of ", names);
}

class Miner {
 public:
  Miner(const EmbeddingQAFinetuneDataset& dataset, const MiningConfig& config,
        std::span<const std::int64_t> document_of)
      : dataset_(dataset),
        config_(config),
        passages_(dataset.corpus),
        queries_(dataset.queries),
        documents_(passages_.size()) {
    ATTUNE_ASSERT(std::ssize(dataset.relevant_docs) == dataset.queries.size());
    ATTUNE_ASSERT(document_of.empty() || std::ssize(document_of) == dataset.corpus.size());
    find_answers(document_of);
    mined_.rows.resize(dataset.queries.size());
    mined_.num_negatives = config.num_negatives;
    mined_.range_max = range_max();
    mined_.blank_passages = passages_.blank;
    mined_.repeated_passages = dataset.corpus.size() - passages_.blank - passages_.size();
  }

  MinedNegatives mine(const BaseEmbedding* model, std::int64_t block_queries) {
    std::vector<std::int64_t> asked;  // query rows
    for (std::int64_t row = 0; row < dataset_.queries.size(); ++row)
      if (answers_of(row) != nullptr) asked.push_back(row);
    mined_.unanswered = dataset_.queries.size() - std::ssize(asked);
    if (asked.empty()) return std::move(mined_);

    const std::unique_ptr<PassageRanking> ranking = make_ranking(model);
    const std::int64_t depth = std::min(mined_.range_max + most_answers_, passages_.size());
    const std::int64_t block = std::clamp<std::int64_t>(kMaxHits / depth, 1, block_queries);
    Progress progress("hard negatives, queries", std::ssize(asked));
    for (std::int64_t first = 0; first < std::ssize(asked); first += block) {
      const std::int64_t count = std::min(block, std::ssize(asked) - first);
      std::vector<std::string_view> texts;
      for (std::int64_t i = 0; i < count; ++i)
        texts.push_back(dataset_.queries.text(asked[first + i]));
      const auto hits = ranking->rank(texts, static_cast<int>(depth));
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t row = asked[first + i];
        float positive = 0;
        if (has_margin()) {
          const std::vector<float> scores = ranking->scores(i, answers_of(row)->texts);
          positive = *std::min_element(scores.begin(), scores.end());
        }
        mined_.rows[row] = choose(row, possible(row, hits[i], positive));
        const bool complete = std::ssize(mined_.rows[row]) == config_.num_negatives;
        ++(complete ? mined_.complete : mined_.incomplete);
      }
      progress.update(first + count);
    }
    return std::move(mined_);
  }

 private:
  bool has_margin() const { return config_.absolute_margin || config_.relative_margin; }

  void find_answers(std::span<const std::int64_t> document_of) {
    answers_.resize(queries_.size());
    for (std::int64_t query = 0; query < dataset_.queries.size(); ++query) {
      if (queries_.text_of[query] < 0) continue;
      Answers& answers = answers_[queries_.text_of[query]];
      for (const std::int64_t row : dataset_.relevant_docs[query]) {
        if (passages_.text_of[row] < 0) continue;
        ++answers.given;
        answers.texts.push_back(passages_.text_of[row]);
        if (!document_of.empty()) answers.documents.push_back(document_of[row]);
      }
    }
    for (Answers& answers : answers_) {
      sort_unique(answers.texts);
      sort_unique(answers.documents);
      most_answers_ = std::max(most_answers_, answers.given);
    }
    // A passage that stands in several documents is of all of them.
    for (std::size_t row = 0; row < document_of.size(); ++row)
      if (passages_.text_of[row] >= 0)
        documents_[passages_.text_of[row]].push_back(document_of[row]);
  }

  // Null: nothing to mine for.
  const Answers* answers_of(std::int64_t query) const {
    const std::int64_t text = queries_.text_of[query];
    if (text < 0 || dataset_.relevant_docs[query].empty() || answers_[text].texts.empty())
      return nullptr;
    return &answers_[text];
  }

  int range_max() const {
    const auto [min, n] =
        std::pair<std::int64_t, std::int64_t>(config_.range_min, config_.num_negatives);
    if (min < 0 || n < 1 || config_.range_max < 0)
      throw_error(ErrorKind::kConfig, "range_min ", min, ", range_max ", config_.range_max,
                  " and num_negatives ", n, ": expected at least 0, 0 and 1");
    const bool drops = has_margin() || config_.max_score;
    const std::int64_t max =
        config_.range_max > 0 ? config_.range_max : min + (drops ? 10 * n : n) + most_answers_;
    if (max - min < n)
      throw_error(ErrorKind::kConfig, "range_max ", max, " leaves ",
                  std::max<std::int64_t>(max - min, 0), " candidates after range_min ", min,
                  ", too few for num_negatives ", n, "; raise range_max or lower the others");
    return static_cast<int>(std::min<std::int64_t>(max, std::numeric_limits<int>::max()));
  }

  std::unique_ptr<PassageRanking> make_ranking(const BaseEmbedding* model) const {
    const std::vector<std::string_view> texts = passages_.texts(dataset_.corpus);
    if (config_.source == "bm25") return rank_by_bm25(texts);
    if (model == nullptr)
      throw_error(ErrorKind::kConfig, "source ", config_.source,
                  " needs a model; name one, or mine with source bm25");
    return config_.source == "both" ? rank_by_both(*model, texts) : rank_by_model(*model, texts);
  }

  // The candidates of a query that pass the guards, best first, of which negatives are chosen.
  std::vector<std::int64_t> possible(std::int64_t query, const std::vector<Hit>& hits,
                                     double positive) {
    const Answers& answers = *answers_of(query);
    const auto of_same_document = [&](std::int64_t text) {
      return std::any_of(
          documents_[text].begin(), documents_[text].end(),
          [&](std::int64_t document) { return contains(answers.documents, document); });
    };
    std::vector<std::int64_t> left;
    for (const Hit& hit : hits) {
      if (contains(answers.texts, hit.row)) continue;
      ++mined_.candidates;
      const double score = hit.score;
      if (of_same_document(hit.row))
        ++mined_.dropped_same_document;
      else if (config_.absolute_margin && score + *config_.absolute_margin > positive)
        ++mined_.dropped_absolute_margin;
      else if (config_.relative_margin &&
               score > positive - std::abs(positive) * *config_.relative_margin)
        ++mined_.dropped_relative_margin;
      else if (config_.max_score && score > *config_.max_score)
        ++mined_.dropped_max_score;
      else if (config_.min_score && score < *config_.min_score)
        ++mined_.dropped_min_score;
      else
        left.push_back(passages_.first_row[hit.row]);
    }
    left.resize(std::min<std::size_t>(left.size(), mined_.range_max));
    left.erase(left.begin(),
               left.begin() + std::min<std::int64_t>(config_.range_min, std::ssize(left)));
    return left;
  }

  std::vector<std::int64_t> choose(std::int64_t query, std::vector<std::int64_t> rows) const {
    const auto wanted = static_cast<std::size_t>(config_.num_negatives);
    if (config_.sampling_strategy == "random" && rows.size() > wanted) {
      // The generator takes 32 bits, which mix64 makes of both.
      const std::uint64_t mixed =
          mix64(config_.seed + 0x9e3779b97f4a7c15u * (static_cast<std::uint64_t>(query) + 1));
      std::vector<std::int64_t> places = Generator(mixed).randperm(std::ssize(rows));
      places.resize(wanted);
      std::sort(places.begin(), places.end());
      std::vector<std::int64_t> chosen;
      for (const std::int64_t place : places) chosen.push_back(rows[place]);
      return chosen;
    }
    rows.resize(std::min(rows.size(), wanted));
    return rows;
  }

  const EmbeddingQAFinetuneDataset& dataset_;
  const MiningConfig& config_;
  DistinctTexts passages_, queries_;
  std::vector<Answers> answers_;                      // [query texts]
  std::vector<std::vector<std::int64_t>> documents_;  // [passage texts]; empty: not known
  std::int64_t most_answers_ = 0;
  MinedNegatives mined_;
};

}  // namespace

MinedNegatives mine_hard_negatives(const EmbeddingQAFinetuneDataset& dataset,
                                   const BaseEmbedding* model, const MiningConfig& config,
                                   std::span<const std::int64_t> document_of,
                                   std::int64_t block_queries) {
  ATTUNE_ASSERT(block_queries >= 1);
  require_one_of("source", config.source, {"model", "bm25", "both"});
  require_one_of("sampling_strategy", config.sampling_strategy, {"top", "random"});
  return Miner(dataset, config, document_of).mine(model, block_queries);
}

void MinedNegatives::save_jsonl(const std::string& path,
                                const EmbeddingQAFinetuneDataset& dataset) const {
  ATTUNE_ASSERT(std::ssize(rows) == dataset.queries.size());
  std::string lines;
  for (std::int64_t query = 0; query < dataset.queries.size(); ++query) {
    if (dataset.relevant_docs[query].empty()) continue;
    Json line = {{"query_id", dataset.queries.id(query)}, {"negatives", Json::array()}};
    if (std::ssize(rows[query]) == num_negatives)
      for (const std::int64_t row : rows[query])
        line["negatives"].push_back(dataset.corpus.id(row));
    lines += line.dump() + "\n";
  }
  write_file_durably(path, lines);
}

Json MinedNegatives::counts() const {
  return {{"queries", complete},
          {"too_few", incomplete},
          {"unanswered", unanswered},
          {"num_negatives", num_negatives},
          {"range_max", range_max},
          {"candidates", candidates},
          {"dropped_same_document", dropped_same_document},
          {"dropped_absolute_margin", dropped_absolute_margin},
          {"dropped_relative_margin", dropped_relative_margin},
          {"dropped_max_score", dropped_max_score},
          {"dropped_min_score", dropped_min_score},
          {"blank_passages", blank_passages},
          {"repeated_passages", repeated_passages}};
}

std::string MinedNegatives::summary() const {
  std::string text =
      str_cat(complete, " queries have ", num_negatives, " hard negatives each, ", incomplete,
              " found too few and are left out of training, ", unanswered,
              " have no relevant passage; of ", candidates, " candidates");
  const auto tell = [&](const char* guard, std::int64_t count) {
    if (count > 0) text += str_cat(", ", count, " dropped by ", guard);
  };
  tell("same document", dropped_same_document);
  tell("absolute_margin", dropped_absolute_margin);
  tell("relative_margin", dropped_relative_margin);
  tell("max_score", dropped_max_score);
  tell("min_score", dropped_min_score);
  return str_cat(text, "; ", repeated_passages, " passages repeat others, ", blank_passages,
                 " are blank");
}

}  // namespace attune
