#include "data/samplers.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/error.h"

namespace attune {
namespace {

std::vector<std::int64_t> ascending(std::int64_t count) {
  std::vector<std::int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

// Whether a batch that is being filled takes another row.
class Room {
 public:
  explicit Room(const BatchLimit& limit) : limit_(limit) { ATTUNE_ASSERT(limit.rows > 0); }
  bool takes(std::int64_t row) const {
    if (rows_ == 0) return true;
    return rows_ < limit_.rows && (limit_.tokens == 0 || tokens_ + length(row) <= limit_.tokens);
  }
  void clear() { rows_ = tokens_ = 0; }
  void add(std::int64_t row) {
    ++rows_;
    tokens_ += length(row);
  }

 private:
  std::int64_t length(std::int64_t row) const {
    return limit_.tokens == 0 ? 0 : limit_.lengths[row];
  }
  const BatchLimit& limit_;
  std::int64_t rows_ = 0, tokens_ = 0;
};

Batches cut(const std::vector<std::int64_t>& order, const BatchLimit& limit) {
  Batches batches;
  Room room(limit);
  for (const std::int64_t row : order) {
    if (batches.empty() || !room.takes(row)) {
      batches.emplace_back();
      room.clear();
    }
    batches.back().push_back(row);
    room.add(row);
  }
  return batches;
}

class DefaultSampler : public BatchSampler {
 public:
  DefaultSampler(std::int64_t num_rows, int batch_size) : count_(num_rows), size_(batch_size) {
    ATTUNE_ASSERT(batch_size > 0);
  }
  std::int64_t size() const override { return (count_ + size_ - 1) / size_; }
  Batch next(Generator& generator) override {
    if (at_ == 0) order_ = generator.randperm(count_);
    const std::int64_t end = std::min(at_ + size_, count_);
    Batch batch(order_.begin() + at_, order_.begin() + end);
    // torch's RandomSampler draws once more, for nothing, when it is asked beyond its last row.
    if (!batch.empty() && at_ + size_ > count_) generator.randperm(count_);
    at_ = end;
    return batch;
  }

 private:
  std::int64_t count_, size_, at_ = 0;
  std::vector<std::int64_t> order_;
};

// Equal texts get equal numbers, so that the passes below compare integers. [rows][columns]
std::vector<std::vector<std::int64_t>> number_texts(const TrainingRows& rows, std::int64_t first,
                                                    std::int64_t last) {
  std::unordered_map<std::string_view, std::int64_t> number_of;
  std::vector<std::vector<std::int64_t>> numbers(last - first);
  for (std::int64_t row = first; row < last; ++row)
    for (int c = 0; c < rows.num_columns(row); ++c) {
      ATTUNE_ASSERT(std::ssize(rows.columns[c]) == rows.num_rows());
      numbers[row - first].push_back(
          number_of.try_emplace(rows.columns[c][row], static_cast<std::int64_t>(number_of.size()))
              .first->second);
    }
  return numbers;
}

class NoDuplicatesSampler : public BatchSampler {
 public:
  NoDuplicatesSampler(std::vector<std::vector<std::int64_t>> texts_of, const BatchLimit& limit,
                      std::uint64_t seed)
      : texts_of_(std::move(texts_of)), limit_(limit), seed_(seed) {
    for (const std::vector<std::int64_t>& texts : texts_of_)
      for (const std::int64_t text : texts)
        if (text >= std::ssize(last_batch_with_)) last_batch_with_.resize(text + 1, -1);
  }

  std::int64_t size() const override {
    ATTUNE_ASSERT(limit_.tokens == 0);  // else known only when the order is
    return (count() + limit_.rows - 1) / limit_.rows;
  }

  Batch next(Generator& generator) override {
    if (next_.empty()) begin(generator);
    Batch batch;
    if (number_ == most_batches_) return batch;
    Room room(limit_);
    std::int64_t previous = count();
    for (std::int64_t at = next_[count()]; at != count(); at = next_[at]) {
      const std::int64_t row = order_[at];
      if (!room.takes(row)) break;
      const std::vector<std::int64_t>& texts = texts_of_[row];
      if (std::any_of(texts.begin(), texts.end(),
                      [&](std::int64_t text) { return last_batch_with_[text] == number_; })) {
        previous = at;
        continue;
      }
      for (const std::int64_t text : texts) last_batch_with_[text] = number_;
      batch.push_back(row);
      room.add(row);
      next_[previous] = next_[at];
    }
    ++number_;
    return batch;
  }

 private:
  std::int64_t count() const { return std::ssize(texts_of_); }
  void begin(Generator& generator) {
    generator.manual_seed(seed_);
    order_ = generator.randperm(count());
    most_batches_ = std::ssize(cut(order_, limit_));
    next_.resize(count() + 1);
    std::iota(next_.begin(), next_.end(), 1);
    next_[count()] = 0;
  }

  std::vector<std::vector<std::int64_t>> texts_of_;
  BatchLimit limit_;
  std::uint64_t seed_;
  std::vector<std::int64_t> last_batch_with_;  // [texts] number of the last batch that holds it
  std::vector<std::int64_t> order_;
  // Waiting rows are a linked list over positions in order_; next_[count()] is its head.
  std::vector<std::int64_t> next_;
  std::int64_t number_ = 0, most_batches_ = 0;
};

class GroupByLabelSampler : public BatchSampler {
 public:
  GroupByLabelSampler(std::span<const float> labels, int batch_size, std::uint64_t seed,
                      const std::string& name)
      : batch_size_(batch_size), seed_(seed) {
    ATTUNE_ASSERT(batch_size >= 4 && batch_size % 2 == 0);
    std::unordered_map<float, std::size_t> group_of;
    for (std::int64_t row = 0; row < std::ssize(labels); ++row) {
      const auto [found, is_new] = group_of.try_emplace(labels[row], groups_.size());
      if (is_new) groups_.emplace_back();
      groups_[found->second].push_back(row);
    }
    for (Batch& group : groups_) group.resize(group.size() / 2 * 2);
    std::erase_if(groups_, [](const Batch& group) { return group.empty(); });
    if (groups_.size() < 2)
      throw_error(ErrorKind::kData, name, ": ", groups_.size(), " of ", group_of.size(),
                  " labels have two rows or more: train.sampler group_by_label needs two such "
                  "labels; take another sampler");
  }

  std::int64_t size() const override {
    std::vector<std::int64_t> pairs;
    for (const Batch& group : groups_) pairs.push_back(std::ssize(group) / 2);
    std::sort(pairs.rbegin(), pairs.rend());
    std::int64_t rows = 0;
    for (const std::int64_t count : pairs) rows += 2 * std::min(count, pairs[1]);
    return rows / batch_size_ + (rows % batch_size_ >= 4 ? 1 : 0);
  }

  Batch next(Generator& generator) override {
    if (queues_.empty()) begin(generator);
    while (true) {
      if (turn_ == std::ssize(labels_) && !begin_round(generator)) {
        Batch rest = std::exchange(batch_, {});
        if (rest.size() < 4) rest.clear();
        return rest;
      }
      Batch& queue = queues_[labels_[turn_++]];  // from its end
      for (int i = 0; i < 2; ++i) {
        batch_.push_back(queue.back());
        queue.pop_back();
      }
      if (std::ssize(batch_) >= batch_size_) return std::exchange(batch_, {});
    }
  }

 private:
  void begin(Generator& generator) {
    generator.manual_seed(seed_);
    for (const Batch& group : groups_) {
      Batch queue;
      for (const std::int64_t i : generator.randperm(std::ssize(group))) queue.push_back(group[i]);
      std::reverse(queue.begin(), queue.end());
      queues_.push_back(std::move(queue));
    }
    labels_ = ascending(std::ssize(groups_));
    turn_ = std::ssize(labels_);
  }

  // False where fewer than two labels have rows left.
  bool begin_round(Generator& generator) {
    std::erase_if(labels_, [&](std::int64_t label) { return queues_[label].empty(); });
    turn_ = std::ssize(labels_);
    if (labels_.size() < 2) return false;
    std::vector<std::int64_t> shuffled;
    for (const std::int64_t i : generator.randperm(std::ssize(labels_)))
      shuffled.push_back(labels_[i]);
    labels_ = std::move(shuffled);
    turn_ = 0;
    return true;
  }

  std::int64_t batch_size_;
  std::uint64_t seed_;
  Batches groups_, queues_;           // [labels] rows, in the order in which labels first stand
  std::vector<std::int64_t> labels_;  // that have rows left, in the order of this round
  std::int64_t turn_ = 0;
  Batch batch_;
};

class FixedSampler : public BatchSampler {
 public:
  explicit FixedSampler(Batches batches) : batches_(std::move(batches)) {}
  std::int64_t size() const override { return std::ssize(batches_); }
  Batch next(Generator&) override { return at_ < size() ? batches_[at_++] : Batch(); }

 private:
  Batches batches_;
  std::int64_t at_ = 0;
};

std::vector<std::int64_t> first_rows(std::span<const std::int64_t> num_rows) {
  std::vector<std::int64_t> first(num_rows.size());
  std::exclusive_scan(num_rows.begin(), num_rows.end(), first.begin(), std::int64_t{0});
  return first;
}

Batch moved(Batch batch, std::int64_t by) {
  for (std::int64_t& row : batch) row += by;
  return batch;
}

}  // namespace

std::vector<std::int64_t> Generator::randperm(std::int64_t n) {
  ATTUNE_ASSERT(n >= 0);
  constexpr std::int64_t kLimit = std::numeric_limits<std::uint32_t>::max() / 20;
  if (n >= kLimit)
    throw_error(ErrorKind::kResources, n, " training rows: at most ", kLimit - 1,
                " can be put in order; train on a part of them");
  std::vector<std::int64_t> order = ascending(n);
  for (std::int64_t i = 0; i + 1 < n; ++i) std::swap(order[i], order[i + engine_() % (n - i)]);
  return order;
}

std::unique_ptr<BatchSampler> default_sampler(std::int64_t num_rows, int batch_size) {
  return std::make_unique<DefaultSampler>(num_rows, batch_size);
}

std::unique_ptr<BatchSampler> no_duplicates_sampler(const TrainingRows& rows, std::int64_t first,
                                                    std::int64_t last, const BatchLimit& limit,
                                                    std::uint64_t seed) {
  return std::make_unique<NoDuplicatesSampler>(number_texts(rows, first, last), limit, seed);
}

std::unique_ptr<BatchSampler> group_by_label_sampler(std::span<const float> labels, int batch_size,
                                                     std::uint64_t seed, const std::string& name) {
  return std::make_unique<GroupByLabelSampler>(labels, batch_size, seed, name);
}

std::unique_ptr<BatchSampler> fixed_sampler(Batches batches) {
  return std::make_unique<FixedSampler>(std::move(batches));
}

Batches all_batches(BatchSampler& sampler, std::uint64_t seed) {
  Generator generator(seed);
  Batches batches;
  for (Batch batch = sampler.next(generator); !batch.empty(); batch = sampler.next(generator))
    batches.push_back(std::move(batch));
  return batches;
}

Batches proportional_batches(std::span<const std::unique_ptr<BatchSampler>> samplers,
                             std::span<const std::int64_t> num_rows, std::uint64_t seed) {
  Generator generator(seed);
  std::vector<std::size_t> sets;  // one entry a batch
  for (std::size_t set = 0; set < samplers.size(); ++set)
    sets.insert(sets.end(), samplers[set]->size(), set);
  const std::vector<std::int64_t> first = first_rows(num_rows);
  Batches batches;
  for (const std::int64_t i : generator.randperm(std::ssize(sets))) {
    Batch batch = samplers[sets[i]]->next(generator);
    if (!batch.empty()) batches.push_back(moved(std::move(batch), first[sets[i]]));
  }
  return batches;
}

Batches round_robin_batches(std::span<const std::unique_ptr<BatchSampler>> samplers,
                            std::span<const std::int64_t> num_rows, std::uint64_t seed) {
  Generator generator(seed);
  std::int64_t rounds = std::numeric_limits<std::int64_t>::max();
  for (const auto& sampler : samplers) rounds = std::min(rounds, sampler->size());
  const std::vector<std::int64_t> first = first_rows(num_rows);
  Batches batches;
  for (std::int64_t round = 0; round < rounds; ++round)
    for (std::size_t set = 0; set < samplers.size(); ++set) {
      Batch batch = samplers[set]->next(generator);
      if (batch.empty()) return batches;
      batches.push_back(moved(std::move(batch), first[set]));
    }
  return batches;
}

Batches random_batches(std::int64_t num_rows, const BatchLimit& limit, std::uint64_t seed) {
  return cut(Generator(seed).randperm(num_rows), limit);
}

Batches sequential_batches(std::int64_t num_rows, int batch_size) {
  return cut(ascending(num_rows), {batch_size});
}

}  // namespace attune
