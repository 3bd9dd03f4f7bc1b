// Directories that are renamed, cut off, mixed up or of another program: each message names the
// file and what to do.
#include <filesystem>
#include <functional>

#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "core/durable.h"
#include "core/error.h"
#include "models/artifact.h"
#include "models/model_check.h"
#include "tests/support/tiny_bert.h"

namespace attune {
namespace {

namespace fs = std::filesystem;
using Tensors = std::vector<NamedTensor>;

void edit(const fs::path& path, const std::function<void(Json&)>& change) {
  Json json = read_json_file(path.string());
  change(json);
  write_text(path.string(), json.dump());
}

void cut(const fs::path& path, std::uintmax_t bytes) { fs::resize_file(path, bytes); }

// The model's tensors, changed.
void rewrite(const fs::path& model, const std::function<void(Tensors&)>& change) {
  Tensors tensors;
  {
    const Weights weights = Weights::from_directory(model.string());
    for (const auto& [name, entry] : weights.entries())
      tensors.push_back({name, weights.stored(name)});
  }
  change(tensors);
  DurableDirectory out((model / "new").string());
  write_safetensors(out, "model.safetensors", tensors);
  out.commit();
  fs::rename(model / "new/model.safetensors", model / "model.safetensors");
  fs::remove_all(model / "new");
}

void rename_all(const fs::path& model, const std::function<std::string(const std::string&)>& name) {
  rewrite(model, [&](Tensors& tensors) {
    for (NamedTensor& tensor : tensors) tensor.name = name(tensor.name);
  });
}

struct Case {
  const char* what;
  std::function<void(const fs::path&)> spoil;
  const char* file;  // that the message names
  const char* fix;   // what it says of it
};

const std::vector<Case> kCases = {
    {"empty directory",
     [](const fs::path& m) {
       fs::remove_all(m);
       fs::create_directories(m);
     },
     "model: not a model", "fetch the model again, whole"},
    {"the folder above the model",
     [](const fs::path& m) {
       fs::rename(m, m.string() + "_inner");
       fs::create_directories(m);
       fs::rename(m.string() + "_inner", m / "all-MiniLM");
     },
     "model: not a model", "did you mean all-MiniLM in it?"},
    {"an entry of the hub's cache",
     [](const fs::path& m) {
       fs::remove_all(m);
       fs::create_directories(m / "snapshots/abc");
     },
     "model: not a model", "snapshots/<commit>"},
    {"a GGUF file alone",
     [](const fs::path& m) {
       fs::remove_all(m);
       write_text(m / "model-Q8_0.gguf", "GGUF");
     },
     "model-Q8_0.gguf", "fetch the model's original directory"},
    {"config.json cut off", [](const fs::path& m) { cut(m / "config.json", 60); }, "config.json",
     "fetch the model again"},
    {"config.json missing", [](const fs::path& m) { fs::remove(m / "config.json"); }, "config.json",
     "fetch the model again"},
    {"config.json a list", [](const fs::path& m) { write_text(m / "config.json", "[]"); },
     "config.json", "expected a JSON object"},
    {"config.json without model_type",
     [](const fs::path& m) { edit(m / "config.json", [](Json& j) { j.erase("model_type"); }); },
     "config.json", "\"model_type\""},
    {"an unknown family",
     [](const fs::path& m) {
       edit(m / "config.json", [](Json& j) { j["model_type"] = "deberta-v2"; });
     },
     "config.json", "'deberta-v2' is not supported; known: bert"},
    {"config.json of another family",
     [](const fs::path& m) {
       edit(m / "config.json", [](Json& j) { j["model_type"] = "distilbert"; });
     },
     "model", "fetch the model again"},
    {"config.json of a larger model",
     [](const fs::path& m) { edit(m / "config.json", [](Json& j) { j["hidden_size"] = 64; }); },
     "model", "fetch the model again"},
    {"a decoder",
     [](const fs::path& m) { edit(m / "config.json", [](Json& j) { j["is_decoder"] = true; }); },
     "config.json", "\"is_decoder\" is true, supported: false"},
    {"weights missing", [](const fs::path& m) { fs::remove(m / "model.safetensors"); },
     "model.safetensors", "fetch the model again"},
    {"a pickle alone",
     [](const fs::path& m) { fs::rename(m / "model.safetensors", m / "pytorch_model.bin"); },
     "pytorch_model.bin", "safe_serialization=True"},
    {"TensorFlow's weights alone",
     [](const fs::path& m) { fs::rename(m / "model.safetensors", m / "tf_model.h5"); },
     "tf_model.h5", "fetch the model's PyTorch weights"},
    {"ONNX alone",
     [](const fs::path& m) {
       fs::create_directories(m / "onnx");
       fs::rename(m / "model.safetensors", m / "onnx/model.onnx");
     },
     "onnx/model.onnx", "fetch the model's PyTorch weights"},
    {"a pointer of Git LFS",
     [](const fs::path& m) {
       write_text(m / "model.safetensors",
                  "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 90868376\n");
     },
     "model.safetensors", "git lfs pull"},
    {"a web page in place of weights",
     [](const fs::path& m) {
       write_text(m / "model.safetensors", "<!doctype html><title>404</title>");
     },
     "model.safetensors", "fetch it again"},
    {"weights cut off in the data",
     [](const fs::path& m) {
       cut(m / "model.safetensors", fs::file_size(m / "model.safetensors") - 9);
     },
     "model.safetensors", "fetch it again"},
    {"weights cut off in the header", [](const fs::path& m) { cut(m / "model.safetensors", 100); },
     "model.safetensors", "fetch it again"},
    {"an empty file", [](const fs::path& m) { cut(m / "model.safetensors", 0); },
     "model.safetensors", "fetch it again"},
    {"one tensor renamed",
     [](const fs::path& m) {
       rename_all(m, [](const std::string& name) {
         return name == "embeddings.LayerNorm.bias" ? "embeddings.norm.bias" : name;
       });
     },
     "'embeddings.LayerNorm.bias' is missing", "fetch the model again"},
    {"another program's names",
     [](const fs::path& m) {
       rename_all(m, [](const std::string& name) { return "blk." + name; });
     },
     "model.safetensors", "'blk.embeddings.LayerNorm.bias'"},
    {"two models in one file",
     [](const fs::path& m) {
       rewrite(m, [](Tensors& tensors) {
         tensors.push_back({"bert." + tensors[0].name, tensors[0].tensor});
       });
     },
     "model.safetensors", "two models were mixed; fetch the model again"},
    {"quantised weights",
     [](const fs::path& m) {
       rewrite(m, [](Tensors& tensors) {
         for (NamedTensor& tensor : tensors) tensor.tensor = tensor.tensor.to(at::kChar);
       });
     },
     "model.safetensors", "fetch the model's original weights"},
    {"a shard missing",
     [](const fs::path& m) {
       fs::remove(m / "model.safetensors");
       write_text(m / "model.safetensors.index.json",
                  R"({"weight_map": {"a": "model-00001-of-00002.safetensors"}})");
     },
     "model-00001-of-00002.safetensors", "fetch the model again"},
    {"a shard out of the directory",
     [](const fs::path& m) {
       fs::remove(m / "model.safetensors");
       write_text(m / "model.safetensors.index.json",
                  R"({"weight_map": {"a": "../a.safetensors"}})");
     },
     "model.safetensors.index.json", "expected a file name beside the index"},
    {"modules.json cut off", [](const fs::path& m) { cut(m / "modules.json", 30); }, "modules.json",
     "fetch the model again"},
    {"a sparse encoder",
     [](const fs::path& m) {
       edit(m / "modules.json", [](Json& j) {
         j[1]["type"] = "sentence_transformers.sparse_encoder.models.SpladePooling";
       });
     },
     "modules.json", "SpladePooling' is not supported; known: Transformer"},
    {"Pooling missing", [](const fs::path& m) { fs::remove_all(m / "1_Pooling"); },
     "1_Pooling/config.json", "fetch the model again"},
    {"Pooling of another model",
     [](const fs::path& m) {
       edit(m / "1_Pooling/config.json", [](Json& j) { j["word_embedding_dimension"] = 384; });
     },
     "1_Pooling/config.json", "belong to different models; fetch the model again"},
    {"no tokenizer",
     [](const fs::path& m) {
       fs::remove(m / "tokenizer.json");
       fs::remove(m / "vocab.txt");
     },
     "found neither tokenizer.json, nor", "a model directory has one of them"},
    {"tokenizer.json cut off", [](const fs::path& m) { cut(m / "tokenizer.json", 400); },
     "tokenizer.json", "fetch the model again"},
    {"the tokenizer of a larger model",
     [](const fs::path& m) {
       edit(m / "tokenizer.json", [](Json& j) { j["model"]["vocab"]["zzz"] = 118; });
     },
     "model", "they belong to different models"},
};

std::string refusal(const std::string& directory) {
  try {
    EmbeddingModel::load(directory, at::kCPU);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData) << error.what();
    return error.what();
  }
  return "it was loaded";
}

TEST(ForeignDirectories, EachMessageNamesTheFileAndTheFix) {
  ASSERT_GE(kCases.size(), 30u);
  for (const Case& c : kCases) {
    const TemporaryFolder folder;
    const fs::path model = folder / "model";
    fs::copy(kTinyBert, model, fs::copy_options::recursive);
    c.spoil(model);
    const std::string message = refusal(model.string());
    EXPECT_NE(message.find(c.file), std::string::npos) << c.what << ": " << message;
    EXPECT_NE(message.find(c.fix), std::string::npos) << c.what << ": " << message;
    EXPECT_FALSE(model_mistakes(model.string()).empty()) << c.what;
  }
}

TEST(ForeignDirectories, AllMistakesAreToldAtOnce) {
  const TemporaryFolder folder;
  const fs::path model = folder / "model";
  fs::copy(kTinyBert, model, fs::copy_options::recursive);
  EXPECT_TRUE(model_mistakes(model.string()).empty());
  edit(model / "config.json", [](Json& j) {
    j["hidden_act"] = "prelu";
    j["position_embedding_type"] = "relative_key";
  });
  edit(model / "1_Pooling/config.json", [](Json& j) { j["pooling_mode"] = "median"; });
  edit(model / "sentence_bert_config.json", [](Json& j) { j["do_lower_case"] = true; });
  edit(model / "tokenizer.json", [](Json& j) { j["model"]["type"] = "Lattice"; });
  cut(model / "model.safetensors", 5000);
  const std::vector<std::string> mistakes = model_mistakes(model.string());
  std::string all;
  for (const std::string& mistake : mistakes) all += mistake + "\n";
  EXPECT_EQ(mistakes.size(), 5u) << all;
  for (const char* part :
       {"prelu", "relative_key", "median", "do_lower_case", "Lattice", "model.safetensors"})
    EXPECT_NE(all.find(part), std::string::npos) << part << " in:\n" << all;
}

TEST(ForeignDirectories, AFileIsNoDirectory) {
  EXPECT_NE(refusal(kTinyBert + "/model.safetensors").find("a file; a model is the directory"),
            std::string::npos);
}

}  // namespace
}  // namespace attune
