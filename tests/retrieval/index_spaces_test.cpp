// Twenty ways to mix the vectors of two models in one index, and the ways that are none.
#include <attune/vector_store_index.h>

#include <cstring>
#include <filesystem>

#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/file.h"
#include "models/adapter_directory.h"
#include "models/adapters/registry.h"
#include "models/embedding_model.h"
#include "retrieval/index/index_generation.h"
#include "tests/support/fake_embedding.h"
#include "tests/support/tiny_bert.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

using Model = std::shared_ptr<const BaseEmbedding>;

EmbedOptions on_cpu() {
  EmbedOptions options;
  options.device = "cpu";
  return options;
}

std::vector<TextNode> some_nodes() {
  std::vector<TextNode> nodes;
  const auto dataset = tiny_dataset();
  for (std::int64_t row = 0; row < dataset.corpus.size(); ++row)
    nodes.push_back({dataset.corpus.id(row), dataset.corpus.text(row)});
  return nodes;
}

class IndexSpaces : public ::testing::Test {
 protected:
  // A copy of the tiny model, changed.
  std::string copy(const std::string& name) const {
    fs::copy(kTinyBert, folder_ / name, fs::copy_options::recursive);
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
  // `factor` 0: as it starts, the identity.
  std::string adapter(const std::string& name, AdapterSides sides, double factor, const Model& base,
                      const std::string& base_path, int width = 32) const {
    auto made =
        make_adapter("linear", {{"in_features", 32}, {"out_features", width}, {"bias", true}}, 1);
    for (auto& [_, tensor] : made->parameters()) tensor.add_(at::randn(tensor.sizes()), factor);
    const Json own = {{"base", base_path}, {"base_fingerprint", base->document_space()}};
    save_adapter(*made, "linear", sides, folder_ / name, {{"adapter", own}});
    return folder_ / name;
  }
  Model load(const std::string& directory, EmbedOptions options = on_cpu()) const {
    return resolve_embed_model(directory, options);
  }
  void build(const std::string& index, const Model& model, const std::string& name) const {
    IndexOptions options;
    options.model = name;
    VectorStoreIndex::from_documents(some_nodes(), model, folder_ / index, options);
  }
  // What is said where `model` is put to that index; empty: it fits.
  std::string refusal(const std::string& index, const Model& model, const std::string& name) const {
    IndexOptions options;
    options.model = name;
    try {
      auto opened = VectorStoreIndex::load(folder_ / index, model, options);
      opened.as_retriever(1).retrieve("where is it?");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      return error.what();
    }
    return "";
  }
  void expect_mixed(const std::string& index, const Model& model, const std::string& name) {
    const std::string before = read_file(folder_ / index + "/current.json");
    const std::string told = refusal(index, model, name);
    const std::string made_with = read_current_model(index);
    EXPECT_NE(told.find("model '" + made_with + "'"), std::string::npos) << name << ": " << told;
    EXPECT_NE(told.find("model '" + name + "'"), std::string::npos) << name << ": " << told;
    EXPECT_NE(told.find("attune index build " + folder_ / index + " --model " + name),
              std::string::npos)
        << name << ": " << told;
    EXPECT_EQ(read_file(folder_ / index + "/current.json"), before);
    ++refused_;
  }
  std::string read_current_model(const std::string& index) const {
    return IndexGeneration::open(folder_ / index)->manifest().space.model;
  }

  TemporaryFolder folder_;
  int refused_ = 0;
};

TEST_F(IndexSpaces, TwentyWaysToMixAreTwentyRefusals) {
  const Model base = load(kTinyBert);
  build("base", base, "tiny");

  // 1: other weights, by one bit of the first tensor.
  const std::string weights = copy("weights");
  std::string tensors = read_file(weights + "/model.safetensors");
  std::uint64_t header = 0;
  std::memcpy(&header, tensors.data(), sizeof header);
  tensors[8 + header] = static_cast<char>(tensors[8 + header] ^ 1);
  write_text(weights + "/model.safetensors", tensors);
  expect_mixed("base", load(weights), "weights");
  // 2 to 10: what stands beside the weights.
  const std::string st = "config_sentence_transformers.json";
  expect_mixed(
      "base",
      load(copy("document_prompt", st, "\"prompts\": {}", R"("prompts": {"document": "item "})")),
      "document_prompt");
  expect_mixed(
      "base", load(copy("query_prompt", st, "\"prompts\": {}", R"("prompts": {"query": "item "})")),
      "query_prompt");
  const std::string cls = copy("cls", "1_Pooling/config.json", "\"pooling_mode_cls_token\": false",
                               "\"pooling_mode_cls_token\": true");
  std::string pooling = read_file(cls + "/1_Pooling/config.json");
  pooling.replace(pooling.find("mean_tokens\": true"), 18, "mean_tokens\": false");
  write_text(cls + "/1_Pooling/config.json", pooling);
  expect_mixed("base", load(cls), "cls");
  expect_mixed("base",
               load(copy("length", "sentence_bert_config.json", "\"max_seq_length\": 32",
                         "\"max_seq_length\": 16")),
               "length");
  const std::string unnormalised = copy("unnormalised");
  Json modules = read_json_file(unnormalised + "/modules.json");
  modules.erase(2);
  write_text(unnormalised + "/modules.json", modules.dump());
  expect_mixed("base", load(unnormalised), "unnormalised");
  expect_mixed("base",
               load(copy("activation", "config.json", "\"hidden_act\": \"gelu\"",
                         "\"hidden_act\": \"relu\"")),
               "activation");
  const std::string cased = copy("cased");
  Json tokenizer = read_json_file(cased + "/tokenizer.json");
  tokenizer["normalizer"]["lowercase"] = !tokenizer["normalizer"]["lowercase"].get<bool>();
  write_text(cased + "/tokenizer.json", tokenizer.dump());
  expect_mixed("base", load(cased), "cased");
  const std::string swapped = copy("swapped");
  tokenizer = read_json_file(swapped + "/tokenizer.json");
  auto& vocabulary = tokenizer["model"]["vocab"];
  std::string last, before_last;
  for (const auto& [token, id] : vocabulary.items()) before_last = std::exchange(last, token);
  std::swap(vocabulary[last], vocabulary[before_last]);
  write_text(swapped + "/tokenizer.json", tokenizer.dump());
  expect_mixed("base", load(swapped), "swapped");
  EmbedOptions cut = on_cpu();
  cut.max_length = 8;
  expect_mixed("base", load(kTinyBert, cut), "cut");
  // 11, 12: prompts given beside the model's own.
  EmbedOptions prompts = on_cpu();
  prompts.override_prompts = true;
  prompts.document_prompt = "item ";
  expect_mixed("base", load(kTinyBert, prompts), "given_document");
  prompts.document_prompt = "";
  prompts.query_prompt = "item ";
  expect_mixed("base", load(kTinyBert, prompts), "given_query");
  // 13 to 18: adapters.
  const Model both = load(adapter("both", AdapterSides::kBoth, 0.1, base, kTinyBert));
  expect_mixed("base", both, "both");
  build("of_both", both, "both_index");
  expect_mixed("of_both", base, "base");
  expect_mixed("of_both", load(adapter("both_2", AdapterSides::kBoth, 0.1, base, kTinyBert)),
               "both_2");
  const Model query_side = load(adapter("query", AdapterSides::kQuery, 0.1, base, kTinyBert));
  expect_mixed("of_both", query_side, "query");
  expect_mixed("base", load(adapter("truncated", AdapterSides::kBoth, 0.1, base, kTinyBert, 8)),
               "truncated");
  const Model other_base = load(weights);
  expect_mixed("base", load(adapter("elsewhere", AdapterSides::kQuery, 0.1, other_base, weights)),
               "elsewhere");
  // 19: a model that claims the space with fewer numbers.
  build("fake", std::make_shared<FakeEmbedding>("sixteen", 16), "sixteen");
  expect_mixed("fake", std::make_shared<FakeEmbedding>("eight", 8), "eight");
  // 20: an opened index that someone rebuilt with another model takes no addition.
  auto opened = VectorStoreIndex::load(folder_ / "base", base);
  build("base", other_base, "weights");
  try {
    opened.insert(std::vector<TextNode>{{"new", "a text"}});
    ADD_FAILURE() << "added to another model's vectors";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("'weights'"), std::string::npos) << error.what();
    ++refused_;
  }
  EXPECT_THROW(opened.reopen(), Error);
  EXPECT_EQ(opened.as_retriever(1).retrieve("x").size(), 1u) << "its own generation stays";
  EXPECT_EQ(refused_, 20);
}

TEST_F(IndexSpaces, FilesOfAnotherModelAreRefused) {
  build("a", load(kTinyBert), "tiny");
  EmbedOptions cut = on_cpu();
  cut.max_length = 8;
  build("b", load(kTinyBert, cut), "cut");
  const std::string generation = "/generation-00000001/";
  for (const char* name : {"vectors.safetensors", "manifest.json"}) {
    const std::string path = folder_ / "a" + generation + name, good = read_file(path);
    fs::copy_file(folder_ / "b" + generation + name, path, fs::copy_options::overwrite_existing);
    try {
      IndexGeneration::open(folder_ / "a");
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
    write_text(path, good);
  }
  EXPECT_EQ(refusal("a", load(kTinyBert), "tiny"), "");
}

TEST_F(IndexSpaces, TheSameSpaceIsTaken) {
  const Model base = load(kTinyBert);
  build("base", base, "tiny");
  EXPECT_EQ(refusal("base", load(copy("copy")), "copy"), "") << "the same model elsewhere";
  EmbedOptions half = on_cpu();
  half.precision = "bf16";
  EXPECT_EQ(refusal("base", load(kTinyBert, half), "half"), "") << "less precise, the same space";

  // A query-only adapter, with whatever prompt it was trained: no document is embedded again, and
  // the index stays its base's, file by file.
  const std::string path = adapter("query", AdapterSides::kQuery, 0.1, base, kTinyBert);
  EmbedOptions prompted = on_cpu();
  prompted.override_prompts = true;
  prompted.query_prompt = "item ";
  const Model query_side = load(path);
  EXPECT_EQ(refusal("base", query_side, "query"), "");
  EXPECT_EQ(refusal("base", load(path, prompted), "query"), "");
  const std::string before = read_file(folder_ / "base" + "/current.json");
  IndexChanges changes;
  IndexOptions options;
  options.model = path;
  VectorStoreIndex::from_documents(some_nodes(), query_side, folder_ / "base", options, &changes);
  EXPECT_EQ(changes.embedded, 0);
  EXPECT_EQ(read_file(folder_ / "base" + "/current.json"), before);
  EXPECT_EQ(read_current_model("base"), "tiny");
  // And the other way round.
  build("of_query", query_side, "query");
  EXPECT_EQ(refusal("of_query", base, "tiny"), "");
}

TEST_F(IndexSpaces, TheRebuildThatIsNamedWorks) {
  const Model base = load(kTinyBert),
              longer = load(copy("length", "sentence_bert_config.json", "\"max_seq_length\": 32",
                                 "\"max_seq_length\": 16"));
  build("base", base, "tiny");
  EXPECT_NE(refusal("base", longer, "length"), "");
  build("base", longer, "length");
  EXPECT_EQ(refusal("base", longer, "length"), "");
  EXPECT_NE(refusal("base", base, "tiny"), "");
  // Another query prompt alone: nothing is embedded.
  IndexChanges changes;
  EmbedOptions prompted = on_cpu();
  prompted.override_prompts = true;
  prompted.query_prompt = "item ";
  build("base", base, "tiny");
  const Model asked = load(kTinyBert, prompted);
  EXPECT_NE(refusal("base", asked, "asked"), "");
  VectorStoreIndex::from_documents(some_nodes(), asked, folder_ / "base", {}, &changes);
  EXPECT_EQ(changes.embedded, 0);
  EXPECT_EQ(refusal("base", asked, "asked"), "");
}

}  // namespace
}  // namespace attune
