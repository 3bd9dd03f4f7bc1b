#include "data/samplers.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/error.h"

namespace attune {
namespace {

// Equal texts get equal numbers, so that the passes below compare integers. [rows][columns]
std::vector<std::vector<std::int64_t>> number_texts(const TrainingRows& rows) {
  std::unordered_map<std::string_view, std::int64_t> number_of;
  std::vector<std::vector<std::int64_t>> numbers(rows.num_rows());
  for (const std::vector<std::string_view>& column : rows.columns) {
    ATTUNE_ASSERT(static_cast<std::int64_t>(column.size()) == rows.num_rows());
    for (std::size_t row = 0; row < column.size(); ++row)
      numbers[row].push_back(
          number_of.try_emplace(column[row], static_cast<std::int64_t>(number_of.size()))
              .first->second);
  }
  return numbers;
}

Batches cut(const std::vector<std::int64_t>& order, int batch_size) {
  Batches batches;
  for (std::int64_t first = 0; first < std::ssize(order); first += batch_size)
    batches.emplace_back(
        order.begin() + first,
        order.begin() + std::min<std::int64_t>(first + batch_size, std::ssize(order)));
  return batches;
}

}  // namespace

std::vector<std::int64_t> randperm(std::int64_t n, std::uint64_t seed) {
  ATTUNE_ASSERT(n >= 0);
  constexpr std::int64_t kLimit = std::numeric_limits<std::uint32_t>::max() / 20;
  if (n >= kLimit)
    throw_error(ErrorKind::kResources, n, " training rows: at most ", kLimit - 1,
                " can be put in order; train on a part of them");
  std::vector<std::int64_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::mt19937 engine(static_cast<std::uint32_t>(seed));  // torch, too, uses the low 32 bits
  for (std::int64_t i = 0; i + 1 < n; ++i) std::swap(order[i], order[i + engine() % (n - i)]);
  return order;
}

Batches default_batches(std::int64_t num_rows, int batch_size, std::uint64_t seed, int epoch) {
  ATTUNE_ASSERT(batch_size > 0 && epoch >= 0);
  return cut(randperm(num_rows, seed + static_cast<std::uint64_t>(epoch)), batch_size);
}

Batches sequential_batches(std::int64_t num_rows, int batch_size) {
  ATTUNE_ASSERT(batch_size > 0);
  std::vector<std::int64_t> order(num_rows);
  std::iota(order.begin(), order.end(), 0);
  return cut(order, batch_size);
}

Batches no_duplicates_batches(const TrainingRows& rows, int batch_size, std::uint64_t seed,
                              int epoch) {
  ATTUNE_ASSERT(batch_size > 0 && epoch >= 0);
  const std::int64_t count = rows.num_rows();
  const std::vector<std::int64_t> order = randperm(count, seed + static_cast<std::uint64_t>(epoch));
  const std::vector<std::vector<std::int64_t>> texts_of = number_texts(rows);
  std::vector<std::int64_t>
      last_batch_with;  // [texts] number of the last batch that holds the text
  for (const std::vector<std::int64_t>& texts : texts_of)
    for (const std::int64_t text : texts)
      if (text >= static_cast<std::int64_t>(last_batch_with.size()))
        last_batch_with.resize(text + 1, -1);

  // Waiting rows are a linked list over positions in `order`; next[count] is its head.
  std::vector<std::int64_t> next(count + 1);
  std::iota(next.begin(), next.end(), 1);
  next[count] = 0;
  Batches batches;
  const std::int64_t most_batches = (count + batch_size - 1) / batch_size;
  while (next[count] != count && std::ssize(batches) < most_batches) {
    const auto number = static_cast<std::int64_t>(batches.size());
    std::vector<std::int64_t> batch;
    std::int64_t previous = count;
    for (std::int64_t at = next[count]; at != count && std::ssize(batch) < batch_size;
         at = next[at]) {
      const std::vector<std::int64_t>& texts = texts_of[order[at]];
      if (std::any_of(texts.begin(), texts.end(),
                      [&](std::int64_t text) { return last_batch_with[text] == number; })) {
        previous = at;
        continue;
      }
      for (const std::int64_t text : texts) last_batch_with[text] = number;
      batch.push_back(order[at]);
      next[previous] = next[at];
    }
    batches.push_back(std::move(batch));
  }
  return batches;
}

}  // namespace attune
