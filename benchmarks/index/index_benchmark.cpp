// index_benchmark build VECTORS DIMENSION FOLDER
// index_benchmark search QUERIES DIMENSION FOLDER K
//
// VECTORS and QUERIES: rows of float32, one after the other. `build` makes an index of the vectors
// in FOLDER, with its graph; `search` asks it all queries, one at a time, exactly and
// approximately. Both print one JSON object: seconds, and the rows that were found.
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

Json build(std::span<const float> vectors, int dimension, const std::string& folder) {
  const auto num_rows = std::ssize(vectors) / dimension;
  std::vector<TextNode> nodes;
  for (std::int64_t row = 0; row < num_rows; ++row) {
    char id[24];  // ids ascend with the rows
    std::snprintf(id, sizeof id, "%09lld", static_cast<long long>(row));
    nodes.push_back({id, std::to_string(row)});
  }
  const auto model = std::make_shared<Rows>(vectors, dimension);
  IndexOptions options;
  const auto write = [&] { VectorStoreIndex::from_documents(nodes, model, folder, options); };
  Json told;
  told["write_seconds"] = seconds_of(write);
  options.approximate = true;
  told["graph_seconds"] = seconds_of(write);
  std::shared_ptr<const IndexGeneration> index;
  told["open_seconds"] = seconds_of([&] { index = IndexGeneration::open(folder); });
  told["verify_seconds"] = seconds_of([&] { index->verify(); });
  return told;
}

// Every query alone, on what numpy would be given: the vectors are in memory and were looked at.
Json search(std::span<const float> queries, int dimension, const std::string& folder, int k) {
  const auto index = IndexGeneration::open(folder);
  Json told;
  for (const bool exact : {true, false}) {
    index->search(queries.first(dimension), k, exact, "cpu");
    Json rows = Json::array();
    const double seconds = seconds_of([&] {
      for (auto rest = queries; !rest.empty(); rest = rest.subspan(dimension)) {
        Json found = Json::array();
        const auto hits = index->search(rest.first(dimension), k, exact, "cpu");
        for (const Hit& hit : hits[0]) found.push_back(hit.row);
        rows.push_back(std::move(found));
      }
    });
    told[exact ? "exact" : "approximate"] = {
        {"seconds_per_query", seconds * dimension / static_cast<double>(queries.size())},
        {"rows", rows}};
  }
  return told;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (!(what == "build" && argc == 5) && !(what == "search" && argc == 6)) {
    std::cerr << "usage: index_benchmark build VECTORS DIMENSION FOLDER\n"
                 "       index_benchmark search QUERIES DIMENSION FOLDER K\n";
    return 2;
  }
  const MappedFile rows(argv[2]);
  const int dimension = std::stoi(argv[3]);
  const Json told = what == "build" ? build(floats(rows), dimension, argv[4])
                                    : search(floats(rows), dimension, argv[4], std::stoi(argv[5]));
  std::cout << told.dump() << "\n";
}
