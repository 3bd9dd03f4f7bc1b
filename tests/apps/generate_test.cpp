// `attune generate`: what it writes, that it is the same twice, and pairs of real documents that a
// reader has looked at.
#include "tests/apps/program.h"
#include "tests/support/fake_llm_server.h"
#include "tests/support/paths.h"

namespace attune::test {
namespace {

const fs::path kShared = source_path("../shared/data");
const fs::path kBase = source_path(".venv/models/all-MiniLM-L6-v2");

class Generate : public ProgramTest {
 protected:
  void write_config(const std::string& documents, const std::string& generate,
                    const std::string& base = kTinyModel) const {
    spit(folder_ / "make.yaml", "version: 1\nname: make\ndevice: cpu\noutput: out\ndocuments:\n" +
                                    documents + "generate:\n" + generate +
                                    "model:\n  base: " + base + "\n");
  }
  void write_documents() const {
    for (int i = 0; i < 6; ++i) {
      const std::string n = std::to_string(i);
      spit(folder_ / "docs" / ("page" + n + ".html"),
           "<h1>Room " + n + "</h1><h2>Where is item " + n + " kept?</h2><p>Item number " + n +
               " is kept in a box that stands in the hall of the house beside the door.</p>");
      spit(folder_ / "docs" / ("note" + n + ".md"),
           "# Note " + n + "\n\n## Paper\n\nThe paper of note " + n +
               " lies on a table in the room where the lamp of this house is burning.\n");
    }
  }
  Json lines_of(const std::string& name) const {
    Json lines = Json::array();
    std::istringstream in(slurp(folder_ / "out" / "datasets" / name));
    for (std::string line; std::getline(in, line);) lines.push_back(parse_json(line, name));
    return lines;
  }
};

TEST_F(Generate, TellsItsDataSetAndWritesWhatIsBehindIt) {
  write_documents();
  write_config("  paths: [docs]\n", "  generators: [headings]\n");
  const Outcome outcome = run({"generate", "make.yaml", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json told = outcome.last_line();
  EXPECT_EQ(told["dataset"], "out/datasets/train.json");
  const Json train = read_json_file(folder_ / "out" / "datasets" / "train.json");
  EXPECT_EQ(told["queries"], train["queries"].size());
  EXPECT_EQ(told["passages"], train["corpus"].size());
  EXPECT_GT(train["queries"].size(), 5u);

  std::set<std::string> passages;
  for (const Json& line : lines_of("passages.jsonl")) {
    passages.insert(line["id"]);
    EXPECT_TRUE(line["path"].get<std::string>().starts_with("docs/")) << line;
    EXPECT_FALSE(line["headings"].empty()) << line;
  }
  EXPECT_EQ(passages.size(), 12u);
  std::map<std::string, int> parts;
  for (const Json& line : lines_of("questions.jsonl")) {
    EXPECT_TRUE(passages.contains(line["passage"])) << line;
    EXPECT_EQ(line["generator"], "headings");
    ++parts[line["part"]];
  }
  EXPECT_EQ(parts.size(), 3u) << "train, validation and test";

  // Unchanged: not run again.
  const auto written = fs::last_write_time(folder_ / "out" / "datasets" / "train.json");
  EXPECT_EQ(run({"generate", "make.yaml", "--json"}).out, outcome.out);
  EXPECT_EQ(fs::last_write_time(folder_ / "out" / "datasets" / "train.json"), written);
}

TEST_F(Generate, ADryRunWritesNothing) {
  write_documents();
  write_config("  paths: [docs]\n", "  generators: [headings]\n");
  const Outcome outcome = run({"generate", "make.yaml", "--dry-run", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.last_line()["passages"], 12);
  EXPECT_EQ(outcome.last_line()["passages_to_ask"], 12);
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(Generate, TheRoundTripDependsOnHowTheBaseModelEmbeds) {
  write_documents();
  write_config("  paths: [docs]\n", "  generators: [headings]\n  round_trip: 12\n");
  const Outcome all = run({"generate", "make.yaml"});
  ASSERT_EQ(all.code, 0) << all.err;
  EXPECT_NE(all.err.find(" 0 not found again"), std::string::npos) << all.err;
  const Outcome prompted = run({"generate", "make.yaml", "model.prompts.query=find: "});
  EXPECT_EQ(prompted.err.find("unchanged"), std::string::npos) << prompted.err;
  const Outcome first = run({"generate", "make.yaml", "generate.round_trip=1"});
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(first.err.find(" 0 not found again"), std::string::npos) << first.err;
  EXPECT_LT(lines_of("questions.jsonl").size(), 12u);
}

TEST_F(Generate, ALanguageModelIsAskedOnceForEachPassage) {
  write_documents();
  const FakeLlmServer server(R"({"script": [{"status": 503}], "then": {}})");
  write_config("  paths: [docs]\n", "  method: llm\n  questions_per_passage: 2\n  llm: {url: \"" +
                                        server.url() +
                                        "\", model: any, retry_seconds: 0, price_prompt: 10}\n");
  const Json told = run({"generate", "make.yaml", "--dry-run", "--json"}).last_line();
  EXPECT_EQ(told["requests"], 12);
  EXPECT_GT(told["cost"].get<double>(), 0);
  EXPECT_TRUE(server.asked().empty()) << "a dry run asks nobody";

  const Outcome outcome = run({"generate", "make.yaml", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(server.asked().size(), 13u) << "twelve passages, one of them told to come again";
  EXPECT_EQ(lines_of("questions.jsonl").size(), 24u);
  EXPECT_EQ(lines_of("questions.jsonl")[0]["generator"], "llm");
  const std::string train = slurp(folder_ / "out" / "datasets" / "train.json");

  // What was made is lost, the answers are not.
  fs::remove_all(folder_ / "out" / "datasets");
  ASSERT_EQ(run({"generate", "make.yaml"}).code, 0);
  EXPECT_EQ(server.asked().size(), 13u);
  EXPECT_EQ(slurp(folder_ / "out" / "datasets" / "train.json"), train);
}

TEST_F(Generate, MistakesAreToldWithTheirPlace) {
  write_documents();
  const auto error = [&](const std::string& documents, const std::string& generate) {
    write_config(documents, generate);
    const Outcome outcome = run({"generate", "make.yaml"});
    EXPECT_NE(outcome.code, 0);
    return outcome.err;
  };
  EXPECT_NE(error("  paths: [docs]\n", "  generators: [magic]\n").find("magic"), std::string::npos);
  EXPECT_NE(error("  paths: [docs]\n", "  method: llm\n").find("give generate.llm"),
            std::string::npos);
  EXPECT_NE(error("  paths: [nowhere]\n", "  generators: [headings]\n").find("nowhere"),
            std::string::npos);
  spit(folder_ / "empty" / "a.txt", "");
  EXPECT_NE(error("  paths: [empty]\n", "  generators: [headings]\n").find("no pair for training"),
            std::string::npos);
}

// Ten questions, evenly over all, each with its generator and where its passage stands.
std::string ten_pairs(const Json& questions, const Json& passages) {
  std::map<std::string, std::string> place_of;
  for (const Json& line : passages) {
    std::string place = fs::path(line["path"].get<std::string>()).filename();
    for (const std::string heading : line["headings"]) place += " > " + heading;
    if (line.contains("page")) place += ", page " + line["page"].dump();
    place_of[line["id"]] = place;
  }
  std::string shown;
  for (std::size_t i = 0; i < 10; ++i) {
    const Json& question = questions[i * questions.size() / 10];
    const std::string id = question["passage"];
    shown += question["generator"].get<std::string>() + ": " + question["text"].get<std::string>() +
             "\n    " + place_of.at(id) + ", passage " + id + "\n";
  }
  return shown;
}

struct Source {
  std::string name, documents;
  fs::path needed;
  bool is_pdf = false;
};

// Of which the golden file's text is: another poppler lays text out in another way.
constexpr const char* kPdftotext = "22.12.0";

bool has_that_pdftotext() {
  std::string told;
  if (FILE* pipe = ::popen("pdftotext -v 2>&1", "r")) {
    char buffer[256];
    while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) told += buffer;
    ::pclose(pipe);
  }
  return told.find(kPdftotext) != std::string::npos;
}

class RealDocuments : public Generate, public ::testing::WithParamInterface<Source> {};

// The golden files were read by a person; ATTUNE_WRITE_GOLDEN=1 writes them anew, to be read again.
TEST_P(RealDocuments, GiveThePairsThatWereRead) {
  const Source& source = GetParam();
  if (!fs::exists(source.needed)) GTEST_SKIP() << source.needed << " is not there";
  if (source.is_pdf && !has_that_pdftotext()) GTEST_SKIP() << "no pdftotext " << kPdftotext;
  if (!fs::exists(kBase)) GTEST_SKIP() << "no base model: scripts/setup --peers";
  write_config(source.documents,
               "  generators: [headings, definitions, keyphrases]\n  test_share: 0\n", kBase);
  const Outcome outcome = run({"generate", "make.yaml"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::string pairs = ten_pairs(lines_of("questions.jsonl"), lines_of("passages.jsonl"));
  const std::string train = slurp(folder_ / "out" / "datasets" / "train.json");

  fs::remove_all(folder_ / "out");
  ASSERT_EQ(run({"generate", "make.yaml"}).code, 0);
  EXPECT_EQ(slurp(folder_ / "out" / "datasets" / "train.json"), train) << "twice the same";

  const fs::path golden = source_path("tests/fixtures/generate/") + source.name + ".txt";
  if (std::getenv("ATTUNE_WRITE_GOLDEN") != nullptr) spit(golden, pairs);
  EXPECT_EQ(pairs, slurp(golden));
}

std::string paths(const std::vector<fs::path>& given) {
  std::string text = "  paths:\n";
  for (const fs::path& path : given) text += "    - " + path.string() + "\n";
  return text;
}

INSTANTIATE_TEST_SUITE_P(
    Collections, RealDocuments,
    ::testing::Values(
        Source{"rust_book",
               paths({kShared / "docs_rustbook" / "raw"}) + "  exclude: [\"*SUMMARY.md\"]\n",
               kShared / "docs_rustbook"},
        Source{"filing", paths({kShared / "docs_misc" / "raw" / "uber_10q_march_2022.pdf"}),
               kShared / "docs_misc", true},
        Source{"city", paths({kShared / "docs_misc" / "raw" / "nyc_text.txt"}),
               kShared / "docs_misc"},
        Source{"python",
               paths({"/usr/share/doc/python3.11/html/tutorial",
                      "/usr/share/doc/python3.11/html/howto"}),
               "/usr/share/doc/python3.11/html/tutorial"}),
    [](const auto& source) { return source.param.name; });

}  // namespace
}  // namespace attune::test
