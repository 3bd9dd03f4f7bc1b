// Whole pages, of made-up run directories.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>

#include <gumbo.h>

#include "core/error.h"
#include "core/file.h"
#include "pipeline/report/comparison_page.h"
#include "pipeline/report/report.h"
#include "pipeline/report/run_page.h"
#include "tests/core/scratch.h"
#include "tests/support/recorded_run.h"

namespace attune {
namespace {

using test::RunDirectory;
using test::write_whole_run;

constexpr std::size_t kMostBytes = 500000;

// What a browser makes of a page.
class Parsed {
 public:
  explicit Parsed(const std::string& page)
      : page_(page),
        output_(::gumbo_parse_with_options(&kGumboDefaultOptions, page_.data(), page_.size())) {
    walk(output_->root);
  }
  ~Parsed() { ::gumbo_destroy_output(&kGumboDefaultOptions, output_); }
  Parsed(const Parsed&) = delete;
  Parsed& operator=(const Parsed&) = delete;

  unsigned mistakes() const { return output_->errors.length; }
  int count(const std::string& tag) const {
    const auto found = tags_.find(tag);
    return found == tags_.end() ? 0 : found->second;
  }
  // Values of attributes that could fetch or run something.
  const std::vector<std::string>& dangers() const { return dangers_; }
  const std::string& text() const { return text_; }

 private:
  void walk(const GumboNode* node) {
    if (node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE)
      text_ += node->v.text.text;
    if (node->type != GUMBO_NODE_ELEMENT) return;
    const GumboElement& element = node->v.element;
    ++tags_[::gumbo_normalized_tagname(element.tag)];
    for (unsigned i = 0; i < element.attributes.length; ++i) {
      const auto* attribute = static_cast<const GumboAttribute*>(element.attributes.data[i]);
      const std::string name = attribute->name, value = attribute->value;
      const bool own_link = name == "href" && value.starts_with("#");
      const bool fetches = name == "src" || name == "href" || name == "srcset" ||
                           name == "action" || name == "data" || name == "poster" ||
                           name == "style" || name.starts_with("on");
      if (fetches && !own_link) dangers_.push_back(name + "=" + value);
    }
    if (element.tag == GUMBO_TAG_STYLE) return;  // its text is no text of the page
    for (unsigned i = 0; i < element.children.length; ++i)
      walk(static_cast<const GumboNode*>(element.children.data[i]));
  }
  std::string page_, text_;
  GumboOutput* output_;
  std::map<std::string, int> tags_;
  std::vector<std::string> dangers_;
};

void expect_harmless(const std::string& page) {
  const Parsed parsed(page);
  EXPECT_EQ(parsed.mistakes(), 0u);
  EXPECT_EQ(parsed.dangers(), std::vector<std::string>());
  for (const char* tag : {"script", "link", "img", "iframe", "object", "embed", "form"})
    EXPECT_EQ(parsed.count(tag), 0) << tag;
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  EXPECT_LT(page.size(), kMostBytes);
}

std::vector<std::string> headings(const std::string& page) {
  std::vector<std::string> found;
  for (std::size_t at = page.find("<h2>"); at != std::string::npos; at = page.find("<h2>", at + 1))
    found.push_back(page.substr(at + 4, page.find("</h2>", at) - at - 4));
  return found;
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(RunPage, TheFirstScreenAnswers) {
  const Scratch scratch;
  RunDirectory run(scratch / "run");
  write_whole_run(run, 90, 60, 5);
  const std::string page = make_report({run.path()}, 10);
  expect_harmless(page);
  const std::string first =
      page.substr(page.find("<main>"), page.find("<nav") - page.find("<main>"));
  for (const char* said : {"Better: NDCG@10 rose by", "On 90 questions of the test", "By how much?",
                           "Am I sure?", "60 up, 5 down", "What next", "What did it take?"})
    EXPECT_TRUE(holds(first, said)) << said << "\n" << first;
  EXPECT_EQ(headings(page), (std::vector<std::string>{"What next", "Metrics", "Similarities",
                                                      "Parts of the test", "Questions", "Training",
                                                      "Data", "Cost and machine", "Settings"}));
  EXPECT_TRUE(holds(page, "where is item 60 kept")) << "one that got worse";
}

TEST(RunPage, NotBetterSaysWhy) {
  const Scratch scratch;
  RunDirectory run(scratch / "run");
  write_whole_run(run, 90, 8, 6);
  const std::string page = make_report({run.path()}, 10);
  EXPECT_TRUE(holds(page, "Not shown to be better"));
  EXPECT_TRUE(holds(page, "Why, and what next"));
  EXPECT_TRUE(holds(page, "The test is too small to tell."));
  EXPECT_TRUE(holds(page, "There are few pairs to learn from."));
}

TEST(RunPage, EqualInputsGiveEqualBytes) {
  const Scratch scratch;
  RunDirectory run(scratch / "run");
  write_whole_run(run, 50, 20, 5);
  EXPECT_EQ(make_report({run.path()}, 5), make_report({run.path()}, 5));
}

TEST(RunPage, ATrainingThatDivergedHasNoModelAndIsToldWhy) {
  const Scratch scratch;
  RunDirectory run(scratch / "run");
  run.config().has_evaluate = false;
  run.write_config();
  run.write_log(3, 10);
  const std::string log = read_file(run.path() + "/metrics.jsonl", 1 << 20);
  const auto page_after = [&](const std::string& action) {
    run.write("metrics.jsonl",
              log + "{\"event\":\"nonfinite\",\"step\":4,\"loss\":\"nan\",\"action\":\"" + action +
                  "\"}\n");
    return make_report({run.path()}, 10);
  };
  const std::string page = page_after("raise");
  expect_harmless(page);
  EXPECT_TRUE(holds(page, "Diverged: there is no model"));
  EXPECT_TRUE(holds(page, "The training ended at step 4"));
  EXPECT_TRUE(holds(page, "Lower train.learning_rate to a third"));
  EXPECT_TRUE(holds(page, "was not measured against its base")) << "the section is not there";
  EXPECT_TRUE(holds(page_after("skip"), "Not finished"));
}

TEST(RunPage, PairsAndSettingsAreThoseOfTheRun) {
  const Scratch scratch;
  RunDirectory run(scratch / "run");
  run.config().train.use_all_docs = true;
  run.config().has_mine = run.config().has_index = run.config().has_integrate = true;
  run.config().integrate.alias = "prod";
  write_whole_run(run, 20, 10, 0);
  EmbeddingQAFinetuneDataset train;
  train.corpus.add("a", "one hall");
  train.corpus.add("b", "another hall");
  train.queries.add("q", "where is it?");
  train.relevant_docs.push_back({0, 1});
  train.save_json(run.path() + "/train.json");
  EXPECT_EQ(read_run(run.path(), true).train_data->pairs, 2);
  const std::string page = make_report({run.path()}, 5);
  const std::string changed = page.substr(page.find("Those that are not at their defaults"));
  const std::string table = changed.substr(0, changed.find("<details>"));
  EXPECT_TRUE(holds(table, "train.use_all_docs"));
  EXPECT_TRUE(holds(table, "integrate.alias"));
  EXPECT_FALSE(holds(table, "mine.")) << "all at their defaults";
  EXPECT_FALSE(holds(table, "index.")) << "all at their defaults";
}

TEST(RunPage, WithoutEvaluationItTellsWhatThereIs) {
  const Scratch scratch;
  RunDirectory run(scratch / "run");
  run.write_config();
  run.write_log(40, 10);
  const std::string page = make_report({run.path()}, 10);
  expect_harmless(page);
  EXPECT_TRUE(holds(page, "Not finished"));
  EXPECT_TRUE(holds(page, "The run has not come to its evaluation."));
  EXPECT_TRUE(holds(page, "training data are not there any more"));
  EXPECT_EQ(headings(page), (std::vector<std::string>{"Why, and what next", "Training",
                                                      "Cost and machine", "Settings"}));
  run.write_stage("train", 3, Json::object());
  EXPECT_TRUE(holds(make_report({run.path()}, 10), "Trained, not measured"));
}

TEST(RunPage, SystemsSideBySide) {
  const Scratch scratch;
  RunDirectory run(scratch / "run");
  write_whole_run(run, 40, 20, 2);
  Json models = {{{"model", "base"}, {"ndcg@10", 0.5}},
                 {{"model", "finetuned"}, {"ndcg@10", 0.625}, {"against", "base"}}};
  models[0]["cost"] = {{"query_ms_p50", 1.25}, {"query_ms_p95", 2.5}, {"disk_bytes", 3 << 20}};
  models[1]["gain"]["ndcg@10"] = {0.125, 0.05, 0.2};
  models[1]["p"]["ndcg@10"] = 0.004;
  models[1]["corrected_p"]["ndcg@10"] = 0.008;
  models[1]["comparisons"] = 2;
  models.push_back({{"model", "<script>alert(1)</script>"}, {"ndcg@10", "high"}, {"cost", 7}});
  run.write("evaluation.json",
            Json{{"models", models}, {"machine", {{"device", "some <cpu>"}}}}.dump());
  const Parsed page(make_report({run.path()}, 0));
  EXPECT_EQ(page.mistakes(), 0u);
  EXPECT_EQ(page.count("script"), 0);
  for (const char* said : {"+12.5", "+5.0 to +20.0", "0.004", "0.008", "hold together (Bonferroni)",
                           "1.25 ms", "2.5 ms", "3 MiB", "some <cpu>", "<script>alert(1)"})
    EXPECT_NE(page.text().find(said), std::string::npos) << said;
  for (const char* other :
       {R"({"models": 3})", R"({"models": [3, null]})", R"({"models": []})",
        R"({"models": [{"model": 1, "gain": [], "cost": {"disk_bytes": -1}}]})"}) {
    run.write("evaluation.json", other);
    EXPECT_EQ(Parsed(make_report({run.path()}, 0)).mistakes(), 0u) << other;
  }
}

TEST(RunPage, HostileTextsStayTexts) {
  const Scratch scratch;
  RunDirectory run(scratch / "run");
  write_whole_run(run, 12, 6, 2);
  std::vector<std::string> texts, passages;
  const std::string attack =
      "</bdi></script><script>alert(1)</script><img src=\"https://x/\" onerror='x'>\x01 & ]]> -->";
  for (int i = 0; i < 12; ++i) {
    texts.push_back(attack + std::to_string(i) + std::string(i == 0 ? 1 << 20 : 1, '<'));
    passages.push_back(attack + "</li></details>" + std::to_string(i));
  }
  run.write_dataset("test.json", texts, passages);
  run.write_results(test::changed_ranks(12, 6, 2));
  run.config().name = "a-name";
  run.config().model.base = attack;
  run.write_config();
  const std::string page = make_report({run.path()}, 10);
  expect_harmless(page);
  EXPECT_TRUE(holds(Parsed(page).text(), "<script>alert(1)</script>"));
  EXPECT_TRUE(holds(page, "cut, 1,048,"));
}

TEST(RunPage, ATestThatChangedIsNotShown) {
  const Scratch scratch;
  RunDirectory run(scratch / "run");
  write_whole_run(run, 20, 10, 2);
  run.write_dataset("test.json", {"another question"}, {"another answer"});
  const std::string page = make_report({run.path()}, 10);
  EXPECT_TRUE(holds(page, "The test set is not there any more as it was"));
  EXPECT_FALSE(holds(page, "another question"));
  EXPECT_TRUE(holds(page, "question q"));
}

TEST(RunPage, MeasurementsOfAnEarlierModelAreNotShown) {
  const Scratch scratch;
  RunDirectory run(scratch / "run");
  write_whole_run(run, 20, 10, 2);
  run.write("artifact/attune.json", "{\"fingerprint\": \"new\"}");
  run.write_stage("evaluate", 3, {{"artifact", sha256("{\"fingerprint\": \"new\"}")}});
  EXPECT_TRUE(holds(make_report({run.path()}, 10), "Better: "));
  run.write_stage("evaluate", 3, {{"artifact", sha256("{\"fingerprint\": \"old\"}")}});
  const std::string page = make_report({run.path()}, 10);
  EXPECT_TRUE(holds(page, "an earlier model than the one that is there now"));
  EXPECT_FALSE(holds(page, "Better: "));
}

TEST(RunPage, NoExamplesNoTexts) {
  const Scratch scratch;
  RunDirectory run(scratch / "run");
  write_whole_run(run, 20, 10, 2);
  EXPECT_FALSE(holds(make_report({run.path()}, 0), "where is item"));
}

TEST(RunPage, StaysSmallWhateverTheRun) {
  const Scratch scratch;
  RunDirectory run(scratch / "run");
  write_whole_run(run, 10000, 5000, 2000);
  run.write_log(100000, 100);
  run.config().documents.paths = std::vector<std::string>(5000, "a/long/path/of/a/document.html");
  run.config().has_documents = run.config().has_generate = true;
  run.write_config();
  const std::string page = make_report({run.path()}, 100);
  EXPECT_LT(page.size(), kMostBytes);
  expect_harmless(page);
}

TEST(RunPage, DamagedFilesAreNamed) {
  const Scratch scratch;
  RunDirectory run(scratch / "run");
  write_whole_run(run, 20, 10, 2);
  const auto message = [&](const std::string& file, const std::string& bytes) {
    const std::string kept = read_file(run.path() + "/" + file);
    run.write(file, bytes);
    try {
      make_report({run.path()}, 10);
      ADD_FAILURE() << file << " was read";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      run.write(file, kept);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_TRUE(holds(message("metrics.jsonl", "{}\n"), "metrics.jsonl:1"));
  EXPECT_TRUE(holds(message("metrics.jsonl", "{\"event\":\"step\",\"step\":\"x\"}\n"), ":1"));
  EXPECT_TRUE(holds(message("evaluation.queries.jsonl", ""), "evaluation.queries.jsonl"));
  EXPECT_TRUE(holds(message("evaluation.queries.jsonl", "{\"attune_query_results\":9}\n"),
                    "another version"));
  EXPECT_TRUE(holds(message("config.yaml", "a:\n- b\n"), "config.yaml:2"));
  EXPECT_THROW(make_report({scratch / "nothing"}, 10), Error);
  run.write("metrics.jsonl", "{\"event\":\"step\",\"st");
  EXPECT_NO_THROW(make_report({run.path()}, 10)) << "a last line that a kill cut off";
}

TEST(ComparisonPage, DifferencesCurvesAndIntervals) {
  const Scratch scratch;
  std::vector<std::string> directories;
  for (const auto& [name, up] : {std::pair{"first", 10}, {"second", 70}, {"third", 12}}) {
    RunDirectory run(scratch / name);
    run.config().train.learning_rate = up * 1e-6;
    write_whole_run(run, 90, up, 5);
    directories.push_back(run.path());
  }
  // One test file for all: their hashes are equal, as they would be.
  const std::string page = make_report(directories, 10);
  expect_harmless(page);
  EXPECT_TRUE(holds(page, "second is better than "));
  EXPECT_TRUE(holds(page, "train.learning_rate"));
  EXPECT_FALSE(holds(page, "train.batch_size")) << "it is the same in all";
  EXPECT_EQ(headings(page), (std::vector<std::string>{"Results", "What differs", "Curves"}));
  EXPECT_EQ(page, make_report(directories, 10));
}

TEST(ComparisonPage, OtherQuestionsAreNotCompared) {
  const Scratch scratch;
  RunDirectory one(scratch / "one"), other(scratch / "other");
  write_whole_run(one, 30, 10, 5);
  write_whole_run(other, 40, 10, 5);
  const std::string page = make_report({one.path(), other.path()}, 10);
  EXPECT_TRUE(holds(page, "Best on validation: "));
  EXPECT_TRUE(holds(page, "no test set in common"));
}

TEST(ComparisonPage, ManyRunsStaySmall) {
  const Scratch scratch;
  std::vector<std::string> directories;
  for (int i = 0; i < 100; ++i) {
    RunDirectory run(scratch / ("run" + std::to_string(i)));
    run.config().seed = i;
    run.write_config();
    run.write_log(200, 20);
    directories.push_back(run.path());
  }
  EXPECT_LT(make_report(directories, 10).size(), kMostBytes);
  directories.push_back(scratch / "one-too-many");
  EXPECT_THROW(make_report(directories, 10), Error);
  EXPECT_THROW(make_report({directories[0], directories[0]}, 10), Error);
  EXPECT_THROW(make_report({directories[0], directories[0] + "/"}, 10), Error) << "the same";
  EXPECT_THROW(make_report({}, 10), Error);
}

}  // namespace
}  // namespace attune
