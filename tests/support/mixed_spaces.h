// Twenty ways to mix the vectors of two models in one index, and the ways that are none: the same
// for every storage.
#pragma once

#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ops/randn.h>
#include <attune/vector_store_index.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/file.h"
#include "core/shell_word.h"
#include "models/adapter_directory.h"
#include "models/adapters/registry.h"
#include "retrieval/index/index_storage.h"
#include "tests/support/fake_embedding.h"
#include "tests/support/tiny_bert.h"

namespace attune {

class MixedSpaces {
 public:
  using Model = std::shared_ptr<const BaseEmbedding>;
  // `place_of` turns the name of an index into its place.
  explicit MixedSpaces(std::function<std::string(const std::string&)> place_of)
      : place_of_(std::move(place_of)) {}

  void expect_twenty_refusals();
  void expect_the_same_space_is_taken();
  void expect_the_rebuild_works();

  static EmbedOptions on_cpu() {
    EmbedOptions options;
    options.device = "cpu";
    return options;
  }
  static EmbedOptions cut_at(int length) {
    EmbedOptions options = on_cpu();
    options.max_length = length;
    return options;
  }
  static EmbedOptions with_prompts(const std::string& query, const std::string& document) {
    EmbedOptions options = on_cpu();
    options.override_prompts = true;
    options.query_prompt = query;
    options.document_prompt = document;
    return options;
  }
  static Model load(const std::string& directory, EmbedOptions options = on_cpu()) {
    return resolve_embed_model(directory, options);
  }
  IndexChanges build(const std::string& index, const Model& model, const std::string& name) const {
    IndexOptions options;
    options.model = name;
    IndexChanges changes;
    VectorStoreIndex::from_documents(some_nodes(), model, place_of_(index), options, &changes);
    return changes;
  }
  // What is said where `model` comes to that index; empty: it fits.
  std::string refusal(const std::string& index, const Model& model, const std::string& name) const {
    const auto storage = IndexStorage::at(place_of_(index));
    const IndexModel with{model, name, {}};
    const std::string opening = told([&] { storage->reopen(&with); });
    EXPECT_EQ(told([&] { search(*storage, with); }), opening);
    return opening;
  }

 private:
  static std::vector<TextNode> some_nodes() {
    std::vector<TextNode> nodes;
    const auto dataset = tiny_dataset();
    for (std::int64_t row = 0; row < dataset.corpus.size(); ++row)
      nodes.push_back({dataset.corpus.id(row), dataset.corpus.text(row)});
    return nodes;
  }
  static std::string told(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      return error.what();
    }
    return "";
  }
  static void search(const IndexStorage& storage, const IndexModel& model) {
    const auto query = model.embedding->get_query_embedding("where is it?");
    EXPECT_EQ(storage.search(model, query, 1, {})[0].size(), 1u);
  }
  std::string model_of(const std::string& index) const {
    return IndexStorage::at(place_of_(index))->held().space.model;
  }

  // A copy of the tiny model, changed.
  std::string copy(const std::string& name) const {
    std::filesystem::copy(kTinyBert, folder_ / name, std::filesystem::copy_options::recursive);
    return folder_ / name;
  }
  std::string copy(const std::string& name, const std::string& file, const std::string& from,
                   const std::string& to) const {
    const std::string directory = copy(name), path = directory + "/" + file;
    std::string text = read_file(path);
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    write_text(path, text.replace(at, from.size(), to));
    return directory;
  }
  std::string with_shorter_texts(const std::string& name) const {
    return copy(name, "sentence_bert_config.json", "\"max_seq_length\": 32",
                "\"max_seq_length\": 16");
  }
  // By one bit of the first tensor.
  std::string with_other_weights(const std::string& name) const {
    const std::string directory = copy(name);
    std::string tensors = read_file(directory + "/model.safetensors");
    std::uint64_t header = 0;
    std::memcpy(&header, tensors.data(), sizeof header);
    tensors[8 + header] = static_cast<char>(tensors[8 + header] ^ 1);
    write_text(directory + "/model.safetensors", tensors);
    return directory;
  }
  std::string with_first_token(const std::string& name) const {
    const std::string directory =
        copy(name, "1_Pooling/config.json", "\"pooling_mode_cls_token\": false",
             "\"pooling_mode_cls_token\": true");
    std::string pooling = read_file(directory + "/1_Pooling/config.json");
    pooling.replace(pooling.find("mean_tokens\": true"), 18, "mean_tokens\": false");
    write_text(directory + "/1_Pooling/config.json", pooling);
    return directory;
  }
  std::string without_normalisation(const std::string& name) const {
    const std::string directory = copy(name);
    Json modules = read_json_file(directory + "/modules.json");
    modules.erase(2);
    write_text(directory + "/modules.json", modules.dump());
    return directory;
  }
  std::string with_tokenizer(const std::string& name,
                             const std::function<void(Json&)>& change) const {
    const std::string directory = copy(name);
    Json tokenizer = read_json_file(directory + "/tokenizer.json");
    change(tokenizer);
    write_text(directory + "/tokenizer.json", tokenizer.dump());
    return directory;
  }
  std::string adapter(const std::string& name, AdapterSides sides, const Model& base,
                      const std::string& base_path, int width = 32) const {
    auto made =
        make_adapter("linear", {{"in_features", 32}, {"out_features", width}, {"bias", true}}, 1);
    for (auto& [_, tensor] : made->parameters()) tensor.add_(at::randn(tensor.sizes()), 0.1);
    const Json own = {{"base", base_path}, {"base_fingerprint", base->document_space()}};
    save_adapter(*made, "linear", sides, folder_ / name, {{"adapter", own}});
    return folder_ / name;
  }

  // Opening, searching and every change are refused alike, and nothing is changed.
  void expect_mixed(const std::string& index, const Model& model, const std::string& name) {
    SCOPED_TRACE(name);
    const auto storage = IndexStorage::at(place_of_(index));
    const IndexModel with{model, name, {}};
    const std::string before = storage->state(), refused = refusal(index, model, name);
    for (const std::string& part :
         {"model '" + model_of(index) + "'", "model '" + name + "'",
          "attune index build " + shell_word(storage->place()) + " --model " + name})
      EXPECT_NE(refused.find(part), std::string::npos) << refused;
    const std::vector<TextNode> nodes = {{"new", "a text"}};
    EXPECT_EQ(told([&] { storage->insert(with, nodes); }), refused);
    EXPECT_EQ(told([&] { storage->refresh(with, nodes); }), refused);
    EXPECT_EQ(told([&] { storage->remove(with, std::vector<std::string>{"d0"}); }), refused);
    EXPECT_EQ(IndexStorage::at(place_of_(index))->state(), before);
    refused_ += refused.empty() ? 0 : 1;
  }

  const std::function<std::string(const std::string&)> place_of_;
  TemporaryFolder folder_;
  int refused_ = 0;
};

inline void MixedSpaces::expect_twenty_refusals() {
  const Model base = load(kTinyBert);
  build("base", base, "tiny");
  const std::string weights = with_other_weights("weights");
  const std::string st = "config_sentence_transformers.json", none = "\"prompts\": {}";
  const auto expect_other = [&](const std::string& name, const std::string& directory) {
    expect_mixed("base", load(directory), name);
  };
  // 1 to 9: files of the model.
  expect_other("weights", weights);
  expect_other("document", copy("document", st, none, R"("prompts": {"document": "item "})"));
  expect_other("query_prompt", copy("query_prompt", st, none, R"("prompts": {"query": "item "})"));
  expect_other("first_token", with_first_token("first_token"));
  expect_other("length", with_shorter_texts("length"));
  expect_other("unnormalised", without_normalisation("unnormalised"));
  expect_other("activation", copy("activation", "config.json", "\"hidden_act\": \"gelu\"",
                                  "\"hidden_act\": \"relu\""));
  expect_other("cased", with_tokenizer("cased", [](Json& tokenizer) {
                 Json& lowercase = tokenizer["normalizer"]["lowercase"];
                 lowercase = !lowercase.get<bool>();
               }));
  expect_other("swapped", with_tokenizer("swapped", [](Json& tokenizer) {
                 Json& vocabulary = tokenizer["model"]["vocab"];
                 std::string last, before_last;
                 for (const auto& [token, id] : vocabulary.items())
                   before_last = std::exchange(last, token);
                 std::swap(vocabulary[last], vocabulary[before_last]);
               }));
  // 10 to 12: what is given beside the files.
  expect_mixed("base", load(kTinyBert, cut_at(8)), "cut");
  expect_mixed("base", load(kTinyBert, with_prompts("", "item ")), "given_document");
  expect_mixed("base", load(kTinyBert, with_prompts("item ", "")), "given_query");
  // 13 to 18: adapters.
  const Model both = load(adapter("both", AdapterSides::kBoth, base, kTinyBert));
  expect_mixed("base", both, "both");
  build("of_both", both, "both_index");
  expect_mixed("of_both", base, "base");
  expect_mixed("of_both", load(adapter("both_2", AdapterSides::kBoth, base, kTinyBert)), "both_2");
  expect_mixed("of_both", load(adapter("query", AdapterSides::kQuery, base, kTinyBert)), "query");
  expect_other("truncated", adapter("truncated", AdapterSides::kBoth, base, kTinyBert, 8));
  const Model other_base = load(weights);
  expect_other("elsewhere", adapter("elsewhere", AdapterSides::kQuery, other_base, weights));
  // 19: a model that claims the space with fewer numbers.
  build("fake", std::make_shared<FakeEmbedding>("sixteen", 16), "sixteen");
  expect_mixed("fake", std::make_shared<FakeEmbedding>("eight", 8), "eight");
  // 20: an opened index that someone rebuilt with another model takes no addition.
  auto opened = VectorStoreIndex::load(place_of_("base"), base);
  build("base", other_base, "weights");
  const std::string adding = told([&] { opened.insert(std::vector<TextNode>{{"new", "a text"}}); });
  EXPECT_NE(adding.find("'weights'"), std::string::npos) << adding;
  EXPECT_EQ(told([&] { opened.reopen(); }).empty(), false);
  EXPECT_EQ(refused_ + (adding.empty() ? 0 : 1), 20);
}

inline void MixedSpaces::expect_the_same_space_is_taken() {
  const Model base = load(kTinyBert);
  build("taken", base, "tiny");
  EXPECT_EQ(refusal("taken", load(copy("copy")), "copy"), "") << "the same model elsewhere";
  EmbedOptions half = on_cpu();
  half.precision = "bf16";
  EXPECT_EQ(refusal("taken", load(kTinyBert, half), "half"), "") << "less precise, the same space";

  // A query-only adapter, with whatever prompt it was trained: no document is embedded again, and
  // the index stays its base's.
  const std::string path = adapter("query", AdapterSides::kQuery, base, kTinyBert);
  const Model query_side = load(path);
  EXPECT_EQ(refusal("taken", query_side, "query"), "");
  EXPECT_EQ(refusal("taken", load(path, with_prompts("item ", "")), "query"), "");
  const std::string before = IndexStorage::at(place_of_("taken"))->state();
  EXPECT_EQ(build("taken", query_side, path).embedded, 0);
  EXPECT_EQ(IndexStorage::at(place_of_("taken"))->state(), before);
  EXPECT_EQ(model_of("taken"), "tiny");
  // And the other way round.
  build("of_query", query_side, "query");
  EXPECT_EQ(refusal("of_query", base, "tiny"), "");
}

inline void MixedSpaces::expect_the_rebuild_works() {
  const Model base = load(kTinyBert), longer = load(with_shorter_texts("length"));
  build("rebuilt", base, "tiny");
  EXPECT_NE(refusal("rebuilt", longer, "length"), "");
  build("rebuilt", longer, "length");
  EXPECT_EQ(refusal("rebuilt", longer, "length"), "");
  EXPECT_NE(refusal("rebuilt", base, "tiny"), "");
  // Another query prompt alone: nothing is embedded.
  build("rebuilt", base, "tiny");
  const Model asked = load(kTinyBert, with_prompts("item ", ""));
  EXPECT_NE(refusal("rebuilt", asked, "asked"), "");
  EXPECT_EQ(build("rebuilt", asked, "asked").embedded, 0);
  EXPECT_EQ(refusal("rebuilt", asked, "asked"), "");
}

}  // namespace attune
