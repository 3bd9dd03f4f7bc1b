#include <stdexcept>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "core/durable.h"
#include "core/error.h"
#include "core/file.h"
#include "models/adapter_directory.h"
#include "models/adapter_embedding.h"
#include "models/adapters/principal_directions.h"
#include "models/adapters/registry.h"
#include "models/cached_embedding.h"
#include "models/torch_state_file.h"
#include "tests/support/tiny_bert.h"

namespace attune {
namespace {

constexpr int kWidth = 32;  // of the tiny model

Json config_of(const std::string& type) {
  Json config = {{"in_features", kWidth}, {"out_features", kWidth}};
  if (type == "linear") config["bias"] = true;
  if (type == "low_rank") config["rank"] = 4;
  if (type == "two_layer") {
    config["hidden_features"] = 8;
    config["add_residual"] = true;
  }
  return config;
}

// With other numbers than at the start.
std::unique_ptr<Adapter> trained(const std::string& type) {
  auto adapter = make_adapter(type, config_of(type), 3);
  for (auto& [name, tensor] : adapter->parameters()) tensor.add_(at::randn(tensor.sizes()), 0.1);
  return adapter;
}

TEST(Adapters, StartAsTheIdentity) {
  const at::Tensor x = at::randn({5, kWidth});
  for (const char* type : {"linear", "low_rank", "two_layer"})
    EXPECT_TRUE(at::equal(make_adapter(type, config_of(type), 1)->forward(x), x)) << type;
}

TEST(Adapters, AreDrawnFromTheSeed) {
  const auto first = [](std::uint64_t seed) {
    return make_adapter("two_layer", config_of("two_layer"), seed)->parameters()[1].second;
  };
  EXPECT_TRUE(at::equal(first(1), first(1)));
  EXPECT_FALSE(at::equal(first(1), first(2)));
}

TEST(Adapters, AreSavedAndLoadedThroughBothFiles) {
  const at::Tensor x = at::randn({5, kWidth});
  for (const char* type : {"linear", "low_rank", "two_layer"}) {
    const TemporaryFolder folder;
    const auto adapter = trained(type);
    save_adapter(*adapter, type, AdapterSides::kQuery, folder / "a", {{"run", "test"}});
    EXPECT_TRUE(is_adapter_directory(folder / "a"));
    const SavedAdapter again = load_adapter(folder / "a");
    EXPECT_EQ(again.type, std::string(type) == "low_rank" ? "linear" : type);
    EXPECT_EQ(again.sidecar["run"], "test");
    EXPECT_LT((again.adapter->forward(x) - adapter->forward(x)).abs().max().item<float>(), 1e-5);
    // As LlamaIndex leaves it: neither sidecar nor safetensors.
    std::filesystem::remove(folder / "a/attune.json");
    std::filesystem::remove(folder / "a/model.safetensors");
    EXPECT_TRUE(is_adapter_directory(folder / "a"));
    EXPECT_TRUE(
        at::equal(load_adapter(folder / "a").adapter->forward(x), again.adapter->forward(x)));
  }
  EXPECT_FALSE(is_adapter_directory(kTinyBert));
}

TEST(Adapters, ConfigJsonIsLlamaIndexsToTheByte) {
  Json two = {
      {"in_features", 4}, {"hidden_features", 3}, {"out_features", 4}, {"add_residual", true}};
  EXPECT_EQ(make_adapter("linear", {{"in_features", 4}, {"out_features", 4}}, 0)->config_json(),
            R"({"in_features": 4, "out_features": 4, "bias": false})");
  EXPECT_EQ(make_adapter("two_layer", two, 0)->config_json(),
            R"({"in_features": 4, "hidden_features": 3, "out_features": 4, "bias": false, )"
            R"("activation_fn_str": "relu", "add_residual": true})");
}

TEST(Adapters, WhatDoesNotFitIsRefused) {
  EXPECT_THROW(make_adapter("bilinear", config_of("linear"), 0), Error);
  EXPECT_THROW(make_adapter("linear", {{"in_features", 4}}, 0), Error);
  EXPECT_THROW(make_adapter("linear", {{"in_features", 0}, {"out_features", 4}}, 0), Error);
  Json wide = config_of("low_rank");
  wide["rank"] = kWidth + 1;
  EXPECT_THROW(make_adapter("low_rank", wide, 0), Error);
  Json unknown = config_of("two_layer");
  unknown["activation_fn_str"] = "swish";
  EXPECT_THROW(make_adapter("two_layer", unknown, 0), Error);
  const TemporaryFolder folder;
  save_adapter(*trained("linear"), "linear", AdapterSides::kQuery, folder / "a", Json::object());
  write_file_durably(folder / "a/config.json",
                     R"({"in_features": 32, "out_features": 16, "bias": true})");
  EXPECT_THROW(load_adapter(folder / "a"), Error);
  write_file_durably(folder / "a/config.json",
                     R"({"in_features": 32, "out_features": 32, "bias": false})");
  EXPECT_THROW(load_adapter(folder / "a"), Error);  // a tensor too many
  write_file_durably(folder / "a/config.json",
                     R"({"in_features": 32, "out_features": 32, "bias": "yes"})");
  EXPECT_THROW(load_adapter(folder / "a"), Error);
}

TEST(Adapters, OneThatReducesIsSavedForBothSidesAlone) {
  const TemporaryFolder folder;
  const Json config = {{"in_features", kWidth}, {"out_features", 8}};
  const auto adapter = make_adapter("linear", config, 0);
  save_adapter(*adapter, "linear", AdapterSides::kBoth, folder / "a", Json::object());
  EXPECT_TRUE(is_adapter_directory(folder / "a"));
  EXPECT_EQ(load_adapter(folder / "a").sides, AdapterSides::kBoth);
  EXPECT_FALSE(std::filesystem::exists(folder / "a/pytorch_model.bin"))
      << "LlamaIndex would put it behind queries alone";
  write_file_durably(folder / "a/attune.json",
                     R"({"adapter": {"type": "linear", "sides": "documents"}})");
  EXPECT_THROW(load_adapter(folder / "a"), Error);
  write_file_durably(folder / "a/attune.json", R"({"adapter": {"type": "linear", "sides": 2}})");
  EXPECT_THROW(load_adapter(folder / "a"), Error);
  // The kinds that cannot.
  EXPECT_THROW(make_adapter("low_rank", {{"in_features", 8}, {"out_features", 4}, {"rank", 2}}, 0),
               Error);
  Json two = {{"in_features", 8}, {"hidden_features", 4}, {"out_features", 4}};
  EXPECT_EQ(make_adapter("two_layer", two, 0)->forward(at::randn({3, 8})).size(1), 4);
  two["add_residual"] = true;
  EXPECT_THROW(make_adapter("two_layer", two, 0), Error);
}

TEST(PrincipalDirections, KeepTheLongestAxesOfVectorsInThem) {
  // Two directions of six hold all but a trace of the vectors.
  const at::Tensor plane = at::randn({2, 6});
  const at::Tensor x = at::matmul(at::randn({50, 2}), plane) + 1e-4 * at::randn({50, 6});
  const at::Tensor w = principal_directions(x, 2);
  EXPECT_LT((at::matmul(w, w.t()) - at::eye(2)).abs().max().item<double>(), 1e-6);
  const at::Tensor kept = at::matmul(at::matmul(x, w.t()), w);
  EXPECT_LT((kept - x).abs().max().item<double>(), 1e-2);
  EXPECT_TRUE(at::equal(w, principal_directions(x, 2)));
  // Ordered by what they hold, of either sign the positive, and complete.
  const at::Tensor held = at::matmul(x, principal_directions(x, 6).t()).pow(2).sum(0);
  for (int i = 1; i < 6; ++i) EXPECT_GE(held[i - 1].item<double>(), held[i].item<double>());
  EXPECT_TRUE(at::equal(principal_directions(-x, 3), principal_directions(x, 3)));
  EXPECT_EQ(principal_directions(x.narrow(0, 0, 1), 6).size(0), 6) << "fewer vectors than rows";
}

class Doubling : public Adapter {
 public:
  at::Tensor forward(const at::Tensor& x) const override { return x * factor_; }
  std::vector<std::pair<std::string, at::Tensor>> parameters() const override {
    return {{"factor", factor_}};
  }
  std::string config_json() const override { return "{}"; }

 private:
  at::Tensor factor_ = at::ones({1}) * 2;
};

TEST(Adapters, ACallersOwnKindIsRegisteredOnceAndLoaded) {
  const AdapterFactory make = [](const std::string&, std::uint64_t) {
    return std::make_unique<Doubling>();
  };
  register_adapter("doubling", make);
  EXPECT_THROW(register_adapter("doubling", make), Error);
  EXPECT_THROW(register_adapter("linear", make), Error);
  const TemporaryFolder folder;
  save_adapter(Doubling(), "doubling", AdapterSides::kQuery, folder / "a", Json::object());
  EXPECT_EQ(load_adapter(folder / "a").type, "doubling");
}

TEST(Adapters, WhatACallersFactoryThrowsNamesItsKind) {
  register_adapter("refusing", [](const std::string& config, std::uint64_t) {
    if (config.find("rank") != std::string::npos) throw std::invalid_argument("no such rank");
    return std::make_unique<Doubling>();
  });
  try {
    make_adapter("refusing", {{"rank", 3}}, 0);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    EXPECT_NE(std::string(error.what()).find("'refusing': no such rank"), std::string::npos);
  }
}

TEST(Adapters, AnUnknownKindIsToldByTheRegistrationThatIsMissing) {
  const TemporaryFolder folder;
  save_adapter(Doubling(), "of_another_program", AdapterSides::kQuery, folder / "a",
               Json::object());
  try {
    load_adapter(folder / "a");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_NE(std::string(error.what()).find("register_adapter(\"of_another_program\""),
              std::string::npos)
        << error.what();
  }
}

TEST(TorchStateFile, PicklesThatAreNoStateDictRunNothing) {
  const TemporaryFolder folder;
  const std::string path = folder / "pytorch_model.bin";
  const std::string good = torch_state_bytes({{"w", at::randn({2, 3})}});
  // Every byte changed once: read, or refused by an Error, and nothing else.
  int refused = 0;
  for (std::size_t i = 0; i < good.size(); i += 3) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x5a);
    write_file_durably(path, bad);
    try {
      read_torch_state(path);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      ++refused;
    }
  }
  EXPECT_GT(refused, 20);
  for (std::size_t size = 0; size < good.size(); size += 41) {
    write_file_durably(path, good.substr(0, size));
    EXPECT_THROW(read_torch_state(path), Error) << size;
  }
  EXPECT_THROW(read_torch_state(folder / "absent.bin"), Error);
}

TEST(AdapterEmbedding, TurnsQueriesAndLeavesDocuments) {
  const auto base = resolve_embed_model(kTinyBert);
  const std::shared_ptr<const Adapter> adapter = trained("linear");
  const AdapterEmbeddingModel model(base, adapter);
  const std::vector<std::string_view> texts = {"a ship", "the sea and the ship", ""};
  EXPECT_EQ(model.get_text_embedding_batch(texts), base->get_text_embedding_batch(texts));
  std::vector<float> raw = base->get_query_embedding_batch(texts);
  at::Tensor x = at::randn({3, kWidth});
  std::copy(raw.begin(), raw.end(), x.mutable_data_ptr<float>());
  const at::Tensor expected = adapter->forward(x);
  const std::vector<float> got = model.get_query_embedding_batch(texts);
  for (std::size_t i = 0; i < got.size(); ++i)
    EXPECT_FLOAT_EQ(got[i], expected.const_data_ptr<float>()[i]);
  EXPECT_EQ(model.document_space(), base->document_space());
  EXPECT_NE(model.query_space(), base->query_space());
  EXPECT_TRUE(model.get_query_embedding_batch({}).empty());
}

TEST(AdapterEmbedding, ForBothSidesTurnsDocumentsIntoASpaceOfTheirOwn) {
  const auto base = resolve_embed_model(kTinyBert);
  const Json config = {{"in_features", kWidth}, {"out_features", 8}};
  const std::shared_ptr<const Adapter> adapter = make_adapter("linear", config, 0);
  EXPECT_THROW(AdapterEmbeddingModel(base, adapter), Error) << "8 numbers do not fit 32";
  const AdapterEmbeddingModel model(base, adapter, AdapterSides::kBoth);
  EXPECT_EQ(model.dimension(), 8);
  EXPECT_NE(model.document_space(), base->document_space());
  EXPECT_NE(model.query_space(), base->query_space());
  const std::vector<std::string_view> texts = {"a ship", "the sea and the ship"};
  for (const Role role : {Role::kQuery, Role::kText}) {
    const auto embed = [&](const BaseEmbedding& m) {
      return role == Role::kQuery ? m.get_query_embedding_batch(texts)
                                  : m.get_text_embedding_batch(texts);
    };
    const std::vector<float> whole = embed(*base), got = embed(model);
    ASSERT_EQ(got.size(), 16u);
    for (std::size_t i = 0; i < 2; ++i)  // the starting state takes the first numbers
      for (std::size_t j = 0; j < 8; ++j) EXPECT_FLOAT_EQ(got[i * 8 + j], whole[i * kWidth + j]);
  }
  // The same through a directory, whose weights decide the space.
  const TemporaryFolder folder;
  save_adapter(*adapter, "linear", AdapterSides::kBoth, folder / "a",
               {{"adapter", {{"base", kTinyBert}, {"base_fingerprint", base->document_space()}}}});
  const auto loaded = resolve_embed_model(folder / "a");
  EXPECT_EQ(loaded->document_space(), model.document_space());
  EXPECT_EQ(loaded->get_text_embedding("a ship"), model.get_text_embedding("a ship"));
}

TEST(AdapterEmbedding, RefusesABaseThatIsAnother) {
  const TemporaryFolder folder;
  const auto adapter = trained("linear");
  const auto base = resolve_embed_model(kTinyBert);
  save_adapter(*adapter, "linear", AdapterSides::kQuery, folder / "right",
               {{"adapter", {{"base", kTinyBert}, {"base_fingerprint", base->document_space()}}}});
  EXPECT_EQ(resolve_embed_model(folder / "right")->model_name(), "Adapter for " + kTinyBert);
  EmbedOptions shorter;
  shorter.max_length = 8;
  EXPECT_THROW(resolve_embed_model(folder / "right", shorter), Error);
  save_adapter(*adapter, "linear", AdapterSides::kQuery, folder / "wrong",
               {{"adapter", {{"base", kTinyBert}, {"base_fingerprint", "0"}}}});
  EXPECT_THROW(resolve_embed_model(folder / "wrong"), Error);
  save_adapter(*adapter, "linear", AdapterSides::kQuery, folder / "nameless", Json::object());
  EXPECT_THROW(resolve_embed_model(folder / "nameless"), Error);
  EmbedOptions named;
  named.base = kTinyBert;
  EXPECT_EQ(resolve_embed_model(folder / "nameless", named)->dimension(), kWidth);
  EXPECT_THROW(resolve_embed_model(kTinyBert, named), Error);
  Json narrow = {{"in_features", 16}, {"out_features", 16}};
  save_adapter(*make_adapter("linear", narrow, 0), "linear", AdapterSides::kQuery,
               folder / "narrow", Json::object());
  EXPECT_THROW(resolve_embed_model(folder / "narrow", named), Error);
}

TEST(CachedEmbedding, EmbedsEachTextOnceOverProcesses) {
  const TemporaryFolder folder;
  const auto base = resolve_embed_model(kTinyBert);
  const std::vector<std::string_view> texts = {"a ship", "the sea", "a ship"};
  const std::vector<float> expected = base->get_text_embedding_batch(texts);
  {
    const CachedEmbedding cached(base, folder / "vectors");
    EXPECT_EQ(cached.get_text_embedding_batch(texts), expected);
    EXPECT_EQ(cached.computed(), 2);
    EXPECT_EQ(cached.get_text_embedding_batch(texts), expected);
    EXPECT_EQ(cached.computed(), 2);
    cached.get_query_embedding("a ship");
    EXPECT_EQ(cached.computed(), 3);
  }
  {
    const CachedEmbedding again(base, folder / "vectors");
    EXPECT_EQ(again.get_text_embedding_batch(texts), expected);
    EXPECT_EQ(again.computed(), 0);
  }
  // A record cut short by a kill is forgotten, and the ones before it stay.
  for (const auto& entry : std::filesystem::directory_iterator(folder / "vectors"))
    std::filesystem::resize_file(entry.path(), std::filesystem::file_size(entry.path()) - 7);
  const CachedEmbedding torn(base, folder / "vectors");
  EXPECT_EQ(torn.get_text_embedding_batch(texts), expected);
  EXPECT_EQ(torn.computed(), 1);
  // Another space has files of its own.
  EmbedOptions shorter;
  shorter.max_length = 4;
  const CachedEmbedding other(resolve_embed_model(kTinyBert, shorter), folder / "vectors");
  other.get_text_embedding("a ship");
  EXPECT_EQ(other.computed(), 1);
}

TEST(CachedEmbedding, StopsBetweenBlocksAndKeepsThem) {
  const TemporaryFolder folder;
  const auto base = resolve_embed_model(kTinyBert);
  std::vector<std::string> texts;
  for (int i = 0; i < 2500; ++i) texts.push_back("item " + std::to_string(i));
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const std::vector<float> expected =
      CachedEmbedding(base, folder / "whole").get_text_embedding_batch(views);
  {
    CachedEmbedding stopped(base, folder / "vectors");
    stopped.stop_when([] { return true; });
    try {
      stopped.get_text_embedding_batch(views);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInterrupted);
      EXPECT_NE(std::string(error.what()).find("1024 of 2500"), std::string::npos) << error.what();
    }
    EXPECT_EQ(stopped.computed(), 1024);
    stopped.stop_when({});
    EXPECT_EQ(stopped.get_text_embedding_batch(views), expected) << "bit for bit";
  }
  const CachedEmbedding again(base, folder / "vectors");
  EXPECT_EQ(again.get_text_embedding_batch(views), expected);
  EXPECT_EQ(again.computed(), 0);
}

}  // namespace
}  // namespace attune
