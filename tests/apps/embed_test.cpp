// embed, tokenize, evaluate.
#include <sys/mount.h>

#include <cstring>

#include "tests/apps/program.h"
#include "tests/support/fake_llm_server.h"

namespace attune::test {
namespace {

struct Matrix {
  std::size_t rows = 0, columns = 0;
  std::vector<float> values;
};

Matrix read_npy(const fs::path& path) {
  const std::string bytes = slurp(path);
  Matrix matrix;
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  const std::size_t begin =
      10 + static_cast<unsigned char>(bytes[8]) + 256u * static_cast<unsigned char>(bytes[9]);
  EXPECT_EQ(begin % 64, 0u);
  const std::string header = bytes.substr(10, begin - 10);
  EXPECT_EQ(
      std::sscanf(header.c_str(), "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu), }",
                  &matrix.rows, &matrix.columns),
      2)
      << header;
  matrix.values.resize(matrix.rows * matrix.columns);
  EXPECT_EQ(bytes.size() - begin, matrix.values.size() * sizeof(float));
  std::memcpy(matrix.values.data(), bytes.data() + begin, bytes.size() - begin);
  return matrix;
}

using Embed = ProgramTest;

TEST_F(Embed, GoldenTextsAsSentenceTransformers) {
  const Json golden = read_json_file(kTinyModel + "/golden.json");
  std::string lines;
  for (const Json& text : golden["texts"]) lines += text.dump() + "\n";
  spit(folder_ / "texts.jsonl", lines);
  const Outcome embedded =
      run({"embed", "--model", kTinyModel, "--input", "texts.jsonl", "--output", "v.npy"});
  ASSERT_EQ(embedded.code, 0) << embedded.err;
  EXPECT_EQ(embedded.out, "");
  const Matrix vectors = read_npy(folder_ / "v.npy");
  ASSERT_EQ(vectors.rows, golden["texts"].size());
  ASSERT_EQ(vectors.columns, 32u);
  for (std::size_t i = 0; i < vectors.rows; ++i)
    for (std::size_t j = 0; j < vectors.columns; ++j)
      ASSERT_NEAR(vectors.values[i * 32 + j], golden["embeddings"][i][j].get<double>(), 1e-5)
          << i << " " << j;

  const Outcome tokens = run({"tokenize", "--model", kTinyModel, "--input", "texts.jsonl"});
  ASSERT_EQ(tokens.code, 0) << tokens.err;
  std::istringstream out(tokens.out);
  std::string line;
  for (const Json& ids : golden["ids"]) {
    ASSERT_TRUE(std::getline(out, line));
    EXPECT_EQ(parse_json(line, "stdout"), ids);
  }
  EXPECT_FALSE(std::getline(out, line));
}

TEST_F(Embed, TellsHowLongItTook) {
  spit(folder_ / "texts.txt", "one\ntwo\n");
  const Outcome outcome =
      run({"embed", "--model", kTinyModel, "--input", "texts.txt", "--output", "v.npy", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json answer = outcome.last_line();
  EXPECT_EQ(answer["status"], "succeeded");
  EXPECT_EQ(answer["texts"], 2);
  EXPECT_EQ(answer["dimension"], 32);
  EXPECT_GT(answer["seconds"].get<double>(), 0);
}

// A server that is scripted: tests/oracles/fake_llm_server.py.
class EmbedServed : public ProgramTest {
 protected:
  EmbedServed() { spit(folder_ / "texts.txt", "one\ntwo\nthree\n"); }
  Outcome embed(const std::string& model) const {
    return run({"embed", "--model", model, "--input", "texts.txt", "--output", "v.npy"});
  }
  void expect_refused(const std::string& model, int code, const std::string& why) const {
    const Outcome outcome = embed(model);
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_NE(outcome.err.find(why), std::string::npos) << outcome.err;
    EXPECT_FALSE(fs::exists(folder_ / "v.npy")) << "half of the vectors";
  }
};

TEST_F(EmbedServed, VectorsComeInSpiteOfErrorsThatPassAndInEitherForm) {
  std::string as_base64;
  {
    const FakeLlmServer server(
        R"({"script": [{"status": 500}, {"status": 429, "headers": {"Retry-After": "1"}}]})");
    const auto start = std::chrono::steady_clock::now();
    const Outcome outcome = embed("openai:m@" + server.url() + "/v1?batch=2");
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(1400));
    for (const char* told : {"HTTP 500", "HTTP 429", "trying again"})
      EXPECT_NE(outcome.err.find(told), std::string::npos) << outcome.err;
    EXPECT_EQ(server.asked().size(), 5u) << "the dimension with two repetitions, two batches";
    EXPECT_EQ(server.asked()[3]["input"], (Json{"one", "two"}));
    const Matrix vectors = read_npy(folder_ / "v.npy");
    EXPECT_EQ(vectors.rows, 3u);
    EXPECT_EQ(vectors.columns, 4u);
    as_base64 = slurp(folder_ / "v.npy");
  }
  const FakeLlmServer server(R"({"then": {"refuse": ["encoding_format"]}})");
  ASSERT_EQ(embed("openai:m@" + server.url()).code, 0);
  EXPECT_EQ(slurp(folder_ / "v.npy"), as_base64) << "as numbers they are the same";
}

TEST_F(EmbedServed, WhatIsWrongIsToldAndLeavesNothing) {
  const FakeLlmServer server(
      R"({"script": [{}, {}, {"dimension": 5}, {"status": 401}], "then": {"status": 503}})");
  const std::string model = "openai:m@" + server.url() + "/v1";
  expect_refused(model + "?batch=1", 3, "has 5 numbers, expected 4");
  expect_refused(model, 2, "the server wants a key: name it with api_key_env");
  expect_refused(model + "?attempts=1", 1, "HTTP 503 (scripted 503); given up after 1 attempt");
  expect_refused(model + "?api_key_env=ATTUNE_NO_SUCH_KEY", 2, "ATTUNE_NO_SUCH_KEY (api_key_env)");
  expect_refused("openai:m@http://127.0.0.1:1/v1?attempts=1", 1,
                 "http://127.0.0.1:1/v1/embeddings");
  expect_refused("openai:m", 2, "expected MODEL@https://HOST/v1");
  EXPECT_EQ(server.asked().size(), 5u) << "the last three asked nobody";
}

TEST_F(EmbedServed, ModelsWithoutADirectoryAreEvaluated) {
  write_dataset("test.json", 6);
  const Outcome outcome =
      run({"evaluate", "--model", "mock:8", "--dataset", "test.json", "--cost"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("mock:8"), std::string::npos) << outcome.out;
}

TEST_F(Embed, LineEndsAndEmptyLines) {
  spit(folder_ / "texts.txt",
       "one text\r\n\none text");  // CRLF, an empty text, no end of the last line
  ASSERT_EQ(run({"embed", "--model", kTinyModel, "--input", "texts.txt", "--output", "v.npy"}).code,
            0);
  const Matrix vectors = read_npy(folder_ / "v.npy");
  ASSERT_EQ(vectors.rows, 3u);
  bool same_as_empty = true;
  for (std::size_t j = 0; j < vectors.columns; ++j) {
    EXPECT_NEAR(vectors.values[j], vectors.values[2 * vectors.columns + j], 1e-6);
    same_as_empty = same_as_empty && vectors.values[j] == vectors.values[vectors.columns + j];
  }
  EXPECT_FALSE(same_as_empty);
  spit(folder_ / "none.txt", "");
  ASSERT_EQ(
      run({"embed", "--model", kTinyModel, "--input", "none.txt", "--output", "none.npy"}).code, 0);
  EXPECT_EQ(read_npy(folder_ / "none.npy").rows, 0u);
}

TEST_F(Embed, BadInputIsRefusedWithItsLine) {
  spit(folder_ / "latin1.txt", "fine\ncaf\xe9\n");
  const Outcome latin =
      run({"embed", "--model", kTinyModel, "--input", "latin1.txt", "--output", "v.npy"});
  EXPECT_EQ(latin.code, 3);
  EXPECT_NE(latin.err.find("latin1.txt:2"), std::string::npos) << latin.err;
  spit(folder_ / "bad.jsonl", "\"fine\"\n{\"text\": 1}\n");
  const Outcome object = run({"tokenize", "--model", kTinyModel, "--input", "bad.jsonl"});
  EXPECT_EQ(object.code, 3);
  EXPECT_NE(object.err.find("bad.jsonl:2"), std::string::npos) << object.err;
  EXPECT_EQ(
      run({"embed", "--model", kTinyModel, "--input", "absent.txt", "--output", "v.npy"}).code, 3);
  EXPECT_EQ(run({"embed", "--model", "absent", "--input", "latin1.txt", "--output", "v.npy"}).code,
            3);
  EXPECT_FALSE(fs::exists(folder_ / "v.npy"));
}

TEST_F(Embed, BadOptionsOfTheModelAreRefused) {
  spit(folder_ / "a.txt", "a\n");
  const std::vector<std::string> embed = {"embed", "--model",  kTinyModel, "--input",
                                          "a.txt", "--output", "v.npy"};
  for (const auto& [option, value] :
       std::vector<std::pair<std::string, std::string>>{{"--max-length", "100000"},
                                                        {"--max-length", "0"},
                                                        {"--device", "gpu"},
                                                        {"--precision", "fp8"}}) {
    auto arguments = embed;
    arguments.insert(arguments.end(), {option, value});
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 2) << option << " " << value << ": " << outcome.err;
  }
}

TEST_F(Embed, OutputThatCannotBeWritten) {
  spit(folder_ / "a.txt", "a\n");
  const std::vector<std::string> embed = {"embed",   "--model", kTinyModel,
                                          "--input", "a.txt",   "--output"};
  for (const std::string output : {"/dev/full", "a.txt/below/a/file.npy", "/proc/nowhere/v.npy"}) {
    auto arguments = embed;
    arguments.push_back(output);
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 4) << output << ": " << outcome.err;
  }
  EXPECT_TRUE(fs::is_character_file("/dev/full")) << "a device was replaced by a file";
  fs::create_symlink("a.txt", folder_ / "link");
  for (const std::string output : {"./a.txt", "link"}) {
    auto arguments = embed;
    arguments.push_back(output);
    EXPECT_EQ(run(arguments).code, 2) << output;
  }
  EXPECT_EQ(slurp(folder_ / "a.txt"), "a\n");
  EXPECT_EQ(run({"tokenize", "--model", kTinyModel, "--input", "a.txt"}, "/dev/full").code, 4);
}

TEST_F(Embed, AFullDiskLeavesWhatWasThere) {
  const fs::path disk = folder_ / "disk";
  fs::create_directories(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=64k") != 0)
    GTEST_SKIP() << "may not mount a small disk here";
  spit(disk / "v.npy", "before");
  std::string texts;
  for (int i = 0; i < 2000; ++i) texts += "text\n";
  spit(folder_ / "many.txt", texts);
  const Outcome outcome =
      run({"embed", "--model", kTinyModel, "--input", "many.txt", "--output", "disk/v.npy"});
  const std::string left = slurp(disk / "v.npy");
  const auto files = std::distance(fs::directory_iterator(disk), fs::directory_iterator());
  ::umount(disk.c_str());
  EXPECT_EQ(outcome.code, 4) << outcome.err;
  EXPECT_NE(outcome.err.find("No space left"), std::string::npos) << outcome.err;
  EXPECT_EQ(left, "before");
  EXPECT_EQ(files, 1) << "a temporary was left";
}

TEST_F(Embed, EvaluateTellsEveryModel) {
  write_dataset("test.json", 12);
  const Outcome outcome = run({"evaluate", "--model", kTinyModel, "--model", "local:" + kTinyModel,
                               "--bm25", "--dataset", "test.json", "--k", "1,10", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json answer = outcome.last_line();
  EXPECT_EQ(answer["dataset"], "test.json");
  ASSERT_EQ(answer["models"].size(), 3u);
  for (const char* metric :
       {"hit_rate@1", "mrr@10", "ndcg@10", "recall@10", "precision@1", "map@100"}) {
    EXPECT_EQ(answer["models"][0][metric], answer["models"][1][metric]) << metric;
    EXPECT_TRUE(answer["models"][2][metric].is_number()) << metric;
  }
  const Outcome table =
      run({"evaluate", "--model", kTinyModel, "--bm25", "--dataset", "test.json"});
  EXPECT_EQ(table.code, 0);
  EXPECT_NE(table.out.find("95 % interval"), std::string::npos) << table.out;
  const Outcome gate = run({"evaluate", "--model", kTinyModel, "--bm25", "--dataset", "test.json",
                            "--fail-under", "ndcg@10=1"});
  EXPECT_EQ(gate.code, 1) << gate.err;
  EXPECT_EQ(gate.out, table.out);
  EXPECT_NE(gate.err.find("gate not met"), std::string::npos) << gate.err;
}

TEST_F(Embed, EvaluateTellsOtherSearchesAndCost) {
  write_dataset("test.json", 12);
  const Outcome outcome = run({"evaluate", "--model", kTinyModel, "--search", "hybrid", "--search",
                               "reranked", "--search", "index", "--search", "approximate_index",
                               "--bm25", "--cost", "--dataset", "test.json", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json answer = outcome.last_line(), &models = answer["models"];
  ASSERT_EQ(models.size(), 6u);
  EXPECT_EQ(models[1]["model"], kTinyModel + " (hybrid)");
  EXPECT_EQ(models[1]["comparisons"], 2);
  EXPECT_EQ(models[3]["against"], kTinyModel);
  EXPECT_EQ(models[3]["comparisons"], 1);
  EXPECT_EQ(models[3]["ndcg@10"], models[0]["ndcg@10"]) << "an exact index loses nothing";
  const Json& cost = models[0]["cost"];
  EXPECT_GT(cost["query_ms_p50"], 0);
  EXPECT_GE(cost["query_ms_p95"], cost["query_ms_p50"]);
  EXPECT_GT(cost["passages_per_second"], 0);
  EXPECT_GT(cost["memory_bytes"], 10000);
  EXPECT_GT(cost["disk_bytes"], fs::file_size(kTinyModel + "/model.safetensors"));
  EXPECT_TRUE(answer["machine"]["device"].is_string());
  EXPECT_FALSE(models[5].contains("cost"));
  EXPECT_EQ(
      run({"evaluate", "--model", kTinyModel, "--search", "magic", "--dataset", "test.json"}).code,
      2);
}

TEST_F(Embed, EvaluateRefusesBadData) {
  spit(folder_ / "twice.json",
       R"({"queries": {"q": "a", "q": "b"}, "corpus": {"d": "x"}, "relevant_docs": {"q": ["d"]}})");
  spit(folder_ / "nowhere.json",
       R"({"queries": {"q": "a"}, "corpus": {"d": "x"}, "relevant_docs": {"q": ["e"]}})");
  spit(folder_ / "half.json", R"({"queries": {"q": "a"}, "cor)");
  for (const char* name : {"twice.json", "nowhere.json", "half.json", "absent.json"}) {
    const Outcome outcome = run({"evaluate", "--model", kTinyModel, "--dataset", name, "--json"});
    EXPECT_EQ(outcome.code, 3) << outcome.err;
    EXPECT_EQ(outcome.last_line()["status"], "failed");
    EXPECT_NE(outcome.err.find(name), std::string::npos) << outcome.err;
  }
}

}  // namespace
}  // namespace attune::test
