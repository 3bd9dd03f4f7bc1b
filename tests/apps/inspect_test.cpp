// attune inspect: what a model is and what training it takes, or all that is in the way.
#include <cstring>
#include <functional>

#include "tests/apps/program.h"

namespace attune::test {
namespace {

constexpr int kRank = 16, kWidth = 32, kLayers = 2;
constexpr int kFloat = 4;  // bytes

// A safetensors file: 8 bytes with the length of its header, the header, the numbers.
struct SafetensorsFile {
  Json header;
  std::string numbers;

  explicit SafetensorsFile(const std::string& bytes) {
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), sizeof length);
    header = parse_json(bytes.substr(sizeof length, length), "header");
    numbers = bytes.substr(sizeof length + length);
  }
  void add(const std::string& name, const char* type, const Json& shape,
           const std::string& values) {
    const std::size_t begin = numbers.size();
    numbers += values;
    header[name] = {{"dtype", type}, {"shape", shape}, {"data_offsets", {begin, numbers.size()}}};
  }
  std::string bytes() const {
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    const std::uint64_t length = text.size();
    std::string out(sizeof length, '\0');
    std::memcpy(out.data(), &length, sizeof length);
    return out + text + numbers;
  }
};

class Inspect : public ProgramTest {
 protected:
  // The tiny model in a folder of its own.
  fs::path copy_model() const {
    const fs::path model = folder_ / "model";
    fs::copy(kTinyModel, model, fs::copy_options::recursive);
    return model;
  }
  Json described(const std::string& model) const {
    const Outcome outcome = run({"inspect", model, "--json"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.last_line();
  }
  static void edit(const fs::path& path, const std::function<void(Json&)>& change) {
    Json json = read_json_file(path.string());
    change(json);
    spit(path, json.dump());
  }
};

TEST_F(Inspect, TellsWhatAModelIs) {
  const Json model = described(kTinyModel);
  EXPECT_EQ(model["model"], kTinyModel);
  EXPECT_EQ(model["type"], "bert");
  EXPECT_EQ(model["dimension"], kWidth);
  EXPECT_EQ(model["hidden_size"], kWidth);
  EXPECT_EQ(model["layers"], kLayers);
  EXPECT_EQ(model["heads"], 4);
  const Json config = read_json_file(kTinyModel + "/config.json");
  EXPECT_EQ(model["positions"], config["max_position_embeddings"]);
  EXPECT_EQ(model["max_length"],
            read_json_file(kTinyModel + "/sentence_bert_config.json")["max_seq_length"]);
  EXPECT_EQ(model["pooling"], Json({"mean"}));
  EXPECT_EQ(model["normalize"], true);
  EXPECT_EQ(model["tokenizer"], "WordPiece");
  EXPECT_EQ(model["vocabulary"], config["vocab_size"]);
  EXPECT_EQ(model["prompts"]["query"], "");
  EXPECT_EQ(model["stored_as"], "F32");
  EXPECT_EQ(model["trained_as"], "F32 (written as F32)");
  EXPECT_EQ(model["fingerprint"].get<std::string>().size(), 64u);
  EXPECT_EQ(model["unsupported"], Json::array());
  EXPECT_FALSE(model.contains("left_out"));
  EXPECT_FALSE(model.contains("include_prompt"));
}

TEST_F(Inspect, TellsWhatTrainingTakes) {
  const Json model = described(kTinyModel);
  const Json& full = model["training_memory"];
  const auto parameters = model["parameters"].get<std::int64_t>();
  EXPECT_GT(parameters, 10000);
  // Weights, gradients and two moments.
  EXPECT_EQ(full["resident_bytes"], 4 * kFloat * parameters);
  EXPECT_GT(full["bytes_per_token"].get<std::int64_t>(), kLayers * kWidth * kFloat);
  const Json& lora = full["lora"];
  EXPECT_EQ(lora["rank"], kRank);
  EXPECT_EQ(lora["targets"], Json({"query", "value"}));
  const std::int64_t added = kLayers * 2 * (kRank * kWidth + kWidth * kRank);
  EXPECT_EQ(lora["parameters"], added);
  EXPECT_EQ(lora["resident_bytes"], kFloat * (parameters + 4 * added));
  EXPECT_GT(lora["bytes_per_token"].get<std::int64_t>(), kLayers * kWidth * kFloat);
}

TEST_F(Inspect, TellsWhatTheFilesHold) {
  const fs::path model = copy_model();
  SafetensorsFile file(slurp(model / "model.safetensors"));
  const std::size_t tensors = file.header.size() - file.header.contains("__metadata__");
  file.add("cls.predictions.bias", "BF16", {3}, std::string(6, '\0'));
  spit(model / "model.safetensors", file.bytes());
  edit(model / "1_Pooling/config.json", [](Json& json) { json["include_prompt"] = false; });
  edit(model / "config_sentence_transformers.json",
       [](Json& json) { json["prompts"] = {{"query", "find: "}, {"document", "text: "}}; });
  edit(model / "sentence_bert_config.json", [](Json& json) { json["max_seq_length"] = 20; });
  fs::remove(model / "tokenizer.json");
  const Json told = described(model.string());
  EXPECT_EQ(told["tensors"], tensors + 1);
  EXPECT_EQ(told["stored_as"], "BF16, F32");
  EXPECT_EQ(told["left_out"], Json({"cls.predictions.bias"}));
  EXPECT_EQ(told["include_prompt"], false);
  EXPECT_EQ(told["prompts"], Json({{"query", "find: "}, {"document", "text: "}}));
  EXPECT_EQ(told["max_length"], 20);
  EXPECT_EQ(told["tokenizer"], "WordPiece (vocab.txt)");
  EXPECT_NE(told["fingerprint"], described(kTinyModel)["fingerprint"]);
}

TEST_F(Inspect, TellsWhyLoraCannotBe) {
  const fs::path model = folder_ / "model";
  SafetensorsFile file(std::string("\2\0\0\0\0\0\0\0{}", 10));
  constexpr int kTokens = 118, kNumbers = 5;
  file.add("embeddings", "F32", {kTokens, kNumbers}, std::string(kTokens * kNumbers * kFloat, 'x'));
  spit(model / "0_StaticEmbedding/model.safetensors", file.bytes());
  fs::copy(kTinyModel + "/tokenizer.json", model / "0_StaticEmbedding/tokenizer.json");
  spit(model / "modules.json",
       R"([{"idx": 0, "name": "0", "path": "0_StaticEmbedding",
            "type": "sentence_transformers.models.StaticEmbedding"}])");
  const Json told = described(model.string());
  EXPECT_EQ(told["layers"], 0);
  EXPECT_EQ(told["parameters"], kTokens * kNumbers);
  EXPECT_EQ(told["training_memory"]["resident_bytes"], 4 * kFloat * kTokens * kNumbers);
  const auto reason = told["training_memory"]["lora"]["unsupported"].get<std::string>();
  EXPECT_NE(reason.find("no linear layers"), std::string::npos) << reason;
}

TEST_F(Inspect, TellsEverythingThatIsInTheWay) {
  const fs::path model = copy_model();
  edit(model / "config.json", [](Json& json) {
    json["hidden_act"] = "prelu";
    json["position_embedding_type"] = "relative_key";
  });
  edit(model / "1_Pooling/config.json", [](Json& json) { json["pooling_mode"] = "median"; });
  edit(model / "tokenizer.json", [](Json& json) { json["model"]["type"] = "Lattice"; });
  const Outcome outcome = run({"inspect", model.string(), "--json"});
  EXPECT_EQ(outcome.code, 3);
  std::istringstream lines(outcome.out);
  std::string line;
  ASSERT_TRUE(std::getline(lines, line)) << outcome.err;
  const Json told = parse_json(line, "stdout");
  EXPECT_EQ(told["model"], model.string());
  ASSERT_EQ(told["unsupported"].size(), 3u) << line;
  for (const char* part : {"prelu", "relative_key", "median", "Lattice"}) {
    EXPECT_NE(line.find(part), std::string::npos) << part;
    EXPECT_NE(outcome.err.find(part), std::string::npos) << part;
  }
  const Outcome plain = run({"inspect", model.string()});
  EXPECT_EQ(plain.code, 3);
  EXPECT_EQ(plain.out, "");
  EXPECT_NE(plain.err.find("\n- "), std::string::npos) << plain.err;
}

TEST_F(Inspect, SaysTheSameInPlainText) {
  const Outcome outcome = run({"inspect", kTinyModel});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  const Json told = described(kTinyModel);
  for (const auto& [key, value] : told.items())
    EXPECT_NE(("\n" + outcome.out).find("\n" + key + " "), std::string::npos) << key;
}

}  // namespace
}  // namespace attune::test
