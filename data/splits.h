// Parts of a data set of which none knows anything of another.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/qa_dataset.h"

namespace attune {

// The part of each item, from 0. Items joined by `together`, over any others in between, are never
// in two parts. Groups go, in the order of SHA-256(seed, least item), each to the part that lacks
// most of its share of the items; before them, the largest first, those with more items than the
// smallest part is to have. Every part with a share above 0 gets a group while there are groups.
// Error{kConfig}: no share is above 0, or one is negative or not finite.
std::vector<int> split_groups(std::int64_t items,
                              std::span<const std::pair<std::int64_t, std::int64_t>> together,
                              std::span<const double> shares, std::uint64_t seed);

// One data set for each share, with the ids and in the order of the whole. Together stay: passages
// of one document (`document_of_passage`: a name for each row of the corpus; empty: unknown),
// passages that answer one query, passages of equal text, passages whose similarity is at least
// `near_duplicates` (chunks/near_duplicates.h; 0: not looked for), and queries that are equal but
// for case, white space and Unicode compatibility forms. So no document, passage, near copy or
// query is in two parts, and no query loses an answer. Shares are of the queries; groups without
// any are divided by the same shares of their passages.
std::vector<EmbeddingQAFinetuneDataset> split_dataset(
    const EmbeddingQAFinetuneDataset& dataset, std::span<const double> shares,
    double near_duplicates, std::uint64_t seed,
    std::span<const std::string> document_of_passage = {});

}  // namespace attune
