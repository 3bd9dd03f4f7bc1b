#include "data/splits.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include "core/error.h"
#include "core/hash.h"
#include "data/chunks/near_duplicates.h"
#include "data/folded_text.h"
#include "data/union_find.h"

namespace attune {
namespace {

struct Group {
  std::string order;
  std::int64_t least = 0, size = 0;
};

double checked_sum(std::span<const double> shares) {
  double sum = 0;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    if (!std::isfinite(shares[i]) || shares[i] < 0)
      throw_error(ErrorKind::kConfig, "share ", i + 1, " of the split is ", shares[i],
                  "; give finite shares of 0 or more, such as 0.8, 0.1 and 0.1");
    sum += shares[i];
  }
  if (!std::isfinite(sum) || sum <= 0)
    throw_error(ErrorKind::kConfig, "the ", shares.size(), " shares of the split come to ", sum,
                "; at least one must be above 0");
  return sum;
}

// Joins items with equal keys.
class JoinedByKey {
 public:
  explicit JoinedByKey(UnionFind& groups) : groups_(groups) {}
  void add(std::string key, std::int64_t item) {
    const auto [found, is_new] = first_.try_emplace(std::move(key), item);
    if (!is_new) groups_.join(found->second, item);
  }

 private:
  UnionFind& groups_;
  std::unordered_map<std::string, std::int64_t> first_;
};

// Passages are items 0 to P - 1, queries those behind them.
UnionFind connect(const EmbeddingQAFinetuneDataset& dataset, double near_duplicates,
                  std::span<const std::string> document_of_passage) {
  const std::int64_t passages = dataset.corpus.size(), queries = dataset.queries.size();
  UnionFind groups(passages + queries);
  JoinedByKey by_document(groups), by_text(groups), by_query(groups);
  for (std::int64_t row = 0; row < passages; ++row) {
    if (!document_of_passage.empty()) by_document.add(document_of_passage[row], row);
    by_text.add(dataset.corpus.text(row), row);
  }
  for (std::int64_t query = 0; query < queries; ++query) {
    by_query.add(folded_text(dataset.queries.text(query)), passages + query);
    for (const std::int64_t row : dataset.relevant_docs[query]) groups.join(row, passages + query);
  }
  if (near_duplicates > 0) {
    const std::vector<std::string>& texts = dataset.corpus.texts();
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    const std::vector<std::int64_t> first = near_duplicate_groups(views, near_duplicates);
    for (std::int64_t row = 0; row < passages; ++row) groups.join(first[row], row);
  }
  return groups;
}

// Divides those of `items` that are one another's by their group, and notes each group's part.
void divide(std::span<const std::int64_t> items, UnionFind& groups, std::span<const double> shares,
            std::uint64_t seed, std::unordered_map<std::int64_t, int>& part_of_group) {
  std::unordered_map<std::int64_t, std::int64_t> first;  // place in `items`, by group
  std::vector<std::pair<std::int64_t, std::int64_t>> together;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto place = static_cast<std::int64_t>(i);
    const auto [found, is_new] = first.try_emplace(groups.find(items[i]), place);
    if (!is_new) together.emplace_back(found->second, place);
  }
  const std::vector<int> parts =
      split_groups(static_cast<std::int64_t>(items.size()), together, shares, seed);
  for (const auto& [group, place] : first) part_of_group[group] = parts[place];
}

}  // namespace

std::vector<int> split_groups(std::int64_t items,
                              std::span<const std::pair<std::int64_t, std::int64_t>> together,
                              std::span<const double> shares, std::uint64_t seed) {
  const double sum = checked_sum(shares);
  UnionFind joined(items);
  for (const auto& [a, b] : together) {
    ATTUNE_ASSERT(a >= 0 && a < items && b >= 0 && b < items);
    joined.join(a, b);
  }
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(items));
  for (std::int64_t item = 0; item < items; ++item) ++sizes[joined.find(item)];
  std::vector<Group> groups;
  for (std::int64_t item = 0; item < items; ++item)
    if (sizes[item] > 0) groups.push_back({sha256(str_cat(seed, "\n", item)), item, sizes[item]});

  std::vector<double> lacking(shares.size());
  std::vector<bool> is_empty(shares.size());
  double smallest = static_cast<double>(items);
  for (std::size_t part = 0; part < shares.size(); ++part) {
    lacking[part] = shares[part] / sum * static_cast<double>(items);
    is_empty[part] = shares[part] > 0;
    if (shares[part] > 0) smallest = std::min(smallest, lacking[part]);
  }
  const auto rank = [&](const Group& group) {
    const bool is_large = static_cast<double>(group.size) > smallest;
    return std::tuple(is_large ? -group.size : 0, std::string_view(group.order), group.least);
  };
  std::sort(groups.begin(), groups.end(),
            [&](const Group& a, const Group& b) { return rank(a) < rank(b); });

  std::vector<int> part_of_group(static_cast<std::size_t>(items));
  auto empty = std::count(is_empty.begin(), is_empty.end(), true);
  auto left = static_cast<std::ptrdiff_t>(groups.size());
  for (const Group& group : groups) {
    const bool only_empty = left-- <= empty;  // the groups left are one for each empty part
    std::size_t best = shares.size();
    for (std::size_t part = 0; part < shares.size(); ++part) {
      if (shares[part] <= 0 || (only_empty && empty > 0 && !is_empty[part])) continue;
      if (best == shares.size() || lacking[part] > lacking[best]) best = part;
    }
    if (is_empty[best]) is_empty[best] = false, --empty;
    lacking[best] -= static_cast<double>(group.size);
    part_of_group[group.least] = static_cast<int>(best);
  }
  std::vector<int> result(static_cast<std::size_t>(items));
  for (std::int64_t item = 0; item < items; ++item) result[item] = part_of_group[joined.find(item)];
  return result;
}

std::vector<EmbeddingQAFinetuneDataset> split_dataset(
    const EmbeddingQAFinetuneDataset& dataset, std::span<const double> shares,
    double near_duplicates, std::uint64_t seed, std::span<const std::string> document_of_passage) {
  const std::int64_t passages = dataset.corpus.size(), queries = dataset.queries.size();
  ATTUNE_ASSERT(document_of_passage.empty() ||
                static_cast<std::int64_t>(document_of_passage.size()) == passages);
  UnionFind groups = connect(dataset, near_duplicates, document_of_passage);

  std::unordered_map<std::int64_t, int> part_of_group;
  std::vector<std::int64_t> asked(static_cast<std::size_t>(queries)), silent;
  std::iota(asked.begin(), asked.end(), passages);
  divide(asked, groups, shares, seed, part_of_group);
  for (std::int64_t row = 0; row < passages; ++row)
    if (!part_of_group.contains(groups.find(row))) silent.push_back(row);
  divide(silent, groups, shares, seed, part_of_group);

  std::vector<EmbeddingQAFinetuneDataset> parts(shares.size());
  for (std::int64_t row = 0; row < passages; ++row)
    parts[part_of_group.at(groups.find(row))].corpus.add(dataset.corpus.id(row),
                                                         dataset.corpus.text(row));
  for (std::int64_t query = 0; query < queries; ++query) {
    EmbeddingQAFinetuneDataset& part = parts[part_of_group.at(groups.find(passages + query))];
    part.queries.add(dataset.queries.id(query), dataset.queries.text(query));
    std::vector<std::int64_t>& rows = part.relevant_docs.emplace_back();
    for (const std::int64_t row : dataset.relevant_docs[query])
      rows.push_back(part.corpus.find(dataset.corpus.id(row)));
  }
  return parts;
}

}  // namespace attune
