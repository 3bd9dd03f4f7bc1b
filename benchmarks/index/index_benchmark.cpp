// index_benchmark VECTORS QUERIES DIMENSION K ROUNDS FOLDER
//
// VECTORS and QUERIES: rows of float32, one after the other. Makes an index of the vectors in
// FOLDER, with its graph, searches all queries in it, ROUNDS times each way, one query at a time,
// and prints one JSON object: seconds (medians over the rounds) and the rows that were found.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <string>

#include "core/file.h"
#include "core/json.h"
#include "retrieval/index/index_generation.h"

namespace {

using namespace attune;

std::span<const float> floats(const MappedFile& file) {
  return {reinterpret_cast<const float*>(file.bytes().data()), file.bytes().size() / sizeof(float)};
}

// The text "17" has the vector of row 17.
class Rows : public BaseEmbedding {
 public:
  Rows(std::span<const float> vectors, int dimension) : vectors_(vectors), dimension_(dimension) {}
  int dimension() const override { return dimension_; }
  std::string model_name() const override { return "rows of a file"; }
  std::string document_space() const override { return "rows"; }
  std::string query_space() const override { return "rows"; }

 protected:
  void embed(Role, std::span<const std::string_view> texts, std::span<float> out) const override {
    for (std::size_t i = 0; i < texts.size(); ++i)
      std::copy_n(vectors_.data() + std::stoll(std::string(texts[i])) * dimension_, dimension_,
                  out.data() + i * dimension_);
  }

 private:
  std::span<const float> vectors_;
  int dimension_;
};

double seconds_of(const std::function<void()>& work) {
  const auto started = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Every query alone, on what numpy would be given: the vector is there already.
struct Way {
  bool exact;
  std::vector<double> times = {};
  Json rows = {};

  void search_all(const IndexGeneration& index, std::span<const float> queries, int k) {
    const int dimension = index.manifest().space.dimension;
    rows = Json::array();
    times.push_back(seconds_of([&] {
      for (auto rest = queries; !rest.empty(); rest = rest.subspan(dimension)) {
        Json found = Json::array();
        const auto hits = index.search(rest.first(dimension), k, exact, "cpu");
        for (const Hit& hit : hits[0]) found.push_back(hit.row);
        rows.push_back(std::move(found));
      }
    }));
  }
  Json told() const {
    return {{"seconds_per_query", median(times) / static_cast<double>(rows.size())},
            {"rows", rows}};
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::cerr << "usage: index_benchmark VECTORS QUERIES DIMENSION K ROUNDS FOLDER\n";
    return 2;
  }
  const MappedFile vectors(argv[1]), queries(argv[2]);
  const int dimension = std::stoi(argv[3]), k = std::stoi(argv[4]), rounds = std::stoi(argv[5]);
  const auto num_rows = static_cast<std::int64_t>(floats(vectors).size()) / dimension;
  std::vector<TextNode> nodes;
  for (std::int64_t row = 0; row < num_rows; ++row) {
    char id[24];  // ids ascend with the rows
    std::snprintf(id, sizeof id, "%09lld", static_cast<long long>(row));
    nodes.push_back({id, std::to_string(row)});
  }
  const auto model = std::make_shared<Rows>(floats(vectors), dimension);
  IndexOptions options;
  const auto write = [&] { VectorStoreIndex::from_documents(nodes, model, argv[6], options); };
  Json told;
  told["write_seconds"] = seconds_of(write);
  options.approximate = true;
  told["graph_seconds"] = seconds_of(write);
  std::shared_ptr<const IndexGeneration> index;
  told["open_seconds"] = seconds_of([&] { index = IndexGeneration::open(argv[6]); });
  told["verify_seconds"] = seconds_of([&] { index->verify(); });
  Way exact{true}, approximate{false};
  for (int round = 0; round < rounds; ++round)  // in turns: what else the machine does hits both
    for (Way* way : {&exact, &approximate}) way->search_all(*index, floats(queries), k);
  told["exact"] = exact.told();
  told["approximate"] = approximate.told();
  std::cout << told.dump() << "\n";
}
