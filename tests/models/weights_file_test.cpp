#include "models/weights_file.h"

#include <cstring>

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>
#include <gtest/gtest.h>

#include "core/durable.h"
#include "core/error.h"
#include "core/json.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_bert.h"

namespace attune {
namespace {

std::string safetensors(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t size = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &size, 8);
  return file + header + std::string(data_bytes, '\0');
}

// The error's message, or "" where the file is read.
std::string refusal(const std::string& bytes) {
  const TemporaryFolder folder;
  write_text(folder / "x.safetensors", bytes);
  try {
    Weights::from_file(folder / "x.safetensors");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_NE(std::string(error.what()).find("x.safetensors"), std::string::npos) << error.what();
    return error.what();
  }
  return "";
}

TEST(Weights, AcceptAndRefuseWhatTheFormatsOwnTestsDo) {
  const std::string folder = source_path("../shared/data/fixtures_safetensors/raw/");
  if (!std::filesystem::exists(folder))
    GTEST_SKIP() << "the shared data set fixtures_safetensors is absent";
  for (const Json& test : read_json_file(folder + "manifest.json")["cases"]) {
    const auto file = test["file"].get<std::string>();
    bool accepted = true;
    try {
      Weights::from_file(folder + file);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      accepted = false;
    }
    // Stricter on purpose: the format's text says that the header begins with '{'.
    const bool expected =
        test["verdict"] == "accept" && file != "ok_padded_header_before.safetensors";
    EXPECT_EQ(accepted, expected) << file;
  }
}

TEST(Weights, RefuseHostileHeaders) {
  const auto entry = [](const std::string& shape, const std::string& offsets,
                        const char* dtype = "F32") {
    return "{\"a\":{\"dtype\":\"" + std::string(dtype) + "\",\"shape\":" + shape +
           ",\"data_offsets\":" + offsets + "}}";
  };
  EXPECT_EQ(refusal(safetensors(entry("[2]", "[0,8]"), 8)), "");
  for (const auto& [header, bytes] : std::vector<std::pair<std::string, int>>{
           {entry("[4194305,4194305,211106198978564]", "[0,16]"), 16},  // wraps 64 bits to 4
           {entry("[2]", "[0,8]"), 4},                                  // cut off
           {entry("[2]", "[0,8]"), 12},                                 // trailing bytes
           {entry("[2]", "[4,12]"), 12},                                // a hole
           {entry("[2]", "[8,0]"), 8},
           {entry("[-1]", "[0,4]"), 4},
           {entry("[1.0]", "[0,4]"), 4},
           {entry("[18446744073709551615]", "[0,4]"), 4},
           {entry("[2]", "[0,8]", "F99"), 8},
           {entry("\"2\"", "[0,8]"), 8},
           {entry("[2]", "[0,8,9]"), 8},
           {entry("[2]", "[-8,0]"), 8},
           {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
            "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
            4},
           {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
            "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
            4},
           {"{\"__metadata__\":{\"a\":1}}", 0},
           {"{\"__metadata__\":\"a\"}", 0},
           {"[]", 0},
           {"{", 0},
           {std::string(5000, '[') + std::string(5000, ']'), 0},
           {"{\"a\":" + std::string(100000, '[') + "}", 0},
           {"", 0}})
    EXPECT_NE(refusal(safetensors(header, static_cast<std::size_t>(bytes))), "")
        << header.substr(0, 80);
  EXPECT_NE(refusal(""), "");
  EXPECT_NE(refusal("1234567"), "");
  EXPECT_NE(refusal(std::string(8, '\xff')), "");
}

TEST(Weights, EveryTruncationAndManyBitFlipsAreRefusedOrReadWithoutACrash) {
  const std::string good = read_file(kTinyBert + "/model.safetensors");
  for (std::size_t size = 0; size < 4000; size += 37)
    EXPECT_NE(refusal(good.substr(0, size)), "") << size;
  std::uint64_t header = 0;
  std::memcpy(&header, good.data(), 8);
  for (std::size_t bit = 0; bit < 8 * (8 + header); bit += 61) {
    std::string flipped = good;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    refusal(flipped);
  }
}

TEST(Weights, WhatIsWrittenIsReadBackInEveryFloatType) {
  const TemporaryFolder folder;
  const at::Tensor x = at::rand({3, 5});
  WrittenFile written;
  {
    DurableDirectory out(folder / "model");
    written = write_safetensors(out, "model.safetensors",
                                {{"f32", x},
                                 {"bf16", x.to(at::kBFloat16)},
                                 {"f16", x.to(at::kHalf)},
                                 {"f64", x.to(at::kDouble)},
                                 {"empty", at::empty({0, 4})}});
    out.commit();
  }
  EXPECT_EQ(written.size, std::filesystem::file_size(folder / "model/model.safetensors"));
  EXPECT_EQ(written.sha256, sha256_file(folder / "model/model.safetensors"));
  const Weights weights = Weights::from_directory(folder / "model");
  for (const auto& [name, expected] :
       std::vector<std::pair<std::string, at::Tensor>>{{"f32", x},
                                                       {"bf16", x.to(at::kBFloat16).to(at::kFloat)},
                                                       {"f16", x.to(at::kHalf).to(at::kFloat)},
                                                       {"f64", x}}) {
    at::Tensor read = at::empty({3, 5});
    weights.copy_to(name, read);
    EXPECT_TRUE(at::equal(read, expected)) << name;
  }
  EXPECT_EQ(weights.find("empty")->shape, (std::vector<std::int64_t>{0, 4}));
  EXPECT_EQ(weights.find("nothing"), nullptr);
}

TEST(Weights, ShardsAreJoinedAndTheirIndexIsChecked) {
  const TemporaryFolder folder;
  const auto shard = [&](const std::string& name, const std::string& tensor) {
    DurableDirectory out(folder / "tmp");
    write_safetensors(out, name, {{tensor, at::arange(4).to(at::kFloat)}});
    out.commit();
    std::filesystem::create_directories(folder / "m");
    std::filesystem::rename(folder / ("tmp/" + name), folder / ("m/" + name));
  };
  const auto index = [&](const std::string& text) {
    write_text(folder / "m/model.safetensors.index.json", text);
  };
  shard("one.safetensors", "a");
  shard("two.safetensors", "b");
  index(R"({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})");
  EXPECT_NE(Weights::from_directory(folder / "m").find("b"), nullptr);
  for (const char* bad :
       {R"({"weight_map": {"a": "one.safetensors", "c": "two.safetensors"}})",
        R"({"weight_map": {"a": "two.safetensors", "b": "one.safetensors"}})",
        R"({"weight_map": {"a": "../one.safetensors"}})", R"({"weight_map": {"a": "/etc/passwd"}})",
        R"({"weight_map": {"a": "missing.safetensors"}})", R"({"weight_map": {"a": 1}})",
        R"({"weight_map": []})", R"([])", R"({)"}) {
    index(bad);
    EXPECT_THROW(Weights::from_directory(folder / "m"), Error) << bad;
  }
}

TEST(Weights, APickleIsRefusedWithTheWayOut) {
  const TemporaryFolder folder;
  write_text(folder / "pytorch_model.bin", "anything");
  try {
    Weights::from_directory(folder.path());
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("safe_serialization=True"), std::string::npos);
  }
}

}  // namespace
}  // namespace attune
