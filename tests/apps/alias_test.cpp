// `attune alias`, and the stage that integrates a finetuned model.
#include <map>

#include "tests/apps/program.h"

namespace attune::test {
namespace {

class Alias : public ProgramTest {
 protected:
  Alias() {
    write_dataset("train.json", 12);
    spit(folder_ / "texts.txt", "where is item 3 kept?\n");
  }
  std::string embedded(const std::string& model) const {
    const Outcome outcome =
        run({"embed", "--model", model, "--input", "texts.txt", "--output", "v.npy"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return slurp(folder_ / "v.npy");
  }
  std::string refusal(const std::vector<std::string>& words, int code = 2) const {
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, code) << outcome.err;
    return outcome.err;
  }
  static bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }
};

TEST_F(Alias, LeadsToAModelWhereverOneIsWanted) {
  write_config("tiny.yaml", "  max_steps: 2\n");
  ASSERT_EQ(run({"train", "tiny.yaml"}).code, 0);
  const Json job = run({"jobs", "list", "--json"}).last_line()[0];
  const std::string id = job["id"], model = job["model_id"];
  const Outcome set = run({"alias", "set", "prod", id});
  EXPECT_EQ(set.code, 0) << set.err;
  EXPECT_EQ(set.out, "prod  " + model + "\n");
  EXPECT_EQ(embedded("prod"), embedded(id));
  ASSERT_EQ(run({"alias", "set", "prod", kTinyModel, id, "--weight", "90", "--weight", "10"}).code,
            0);
  EXPECT_EQ(embedded("prod"), embedded(kTinyModel)) << "the heaviest";
  const std::string of_user = run({"alias", "show", "prod", "--key", "user-1"}).out;
  EXPECT_TRUE(of_user == kTinyModel + "\n" || of_user == model + "\n") << of_user;
  const Json shown = run({"alias", "show", "prod", "--json"}).last_line();
  EXPECT_EQ(shown["arms"][1]["share"], 0.1);
  EXPECT_EQ(shown["arms"][1]["requests"], 0);
  EXPECT_EQ(shown["earlier"][0]["arms"][0]["model"], model);
  EXPECT_EQ(run({"alias", "list"}).out, "prod  " + kTinyModel + " 90 %, " + model + " 10 %\n");

  EXPECT_TRUE(holds(refusal({"jobs", "rm", id}), "alias 'prod'"));
  EXPECT_EQ(run({"alias", "rollback", "prod"}).out, "prod  " + model + "\n");
  EXPECT_TRUE(holds(refusal({"alias", "rollback", "prod"}), "nothing to roll back to"));
  // The next training in the same folder makes another model of it.
  ASSERT_EQ(run({"train", "tiny.yaml", "train.max_steps=3", "--overwrite"}).code, 0);
  for (const std::string& name : {std::string("prod"), id})
    EXPECT_TRUE(
        holds(refusal({"embed", "--model", name, "--input", "texts.txt", "--output", "v"}, 3),
              "was replaced by another"))
        << name;
  EXPECT_EQ(run({"alias", "rm", "prod"}).code, 0);
  EXPECT_EQ(run({"alias", "list"}).out, "");
}

TEST_F(Alias, MistakesAreNamed) {
  write_config("tiny.yaml", "  max_steps: 2\n");
  const Outcome submitted = run({"jobs", "submit", "tiny.yaml"});
  const std::string queued = submitted.out.substr(0, submitted.out.find('\n'));
  EXPECT_TRUE(holds(refusal({"alias", "set", "prod", queued}), queued + " is queued"));
  EXPECT_TRUE(holds(refusal({"alias", "set", "prod", folder_.string()}, 3), folder_.string()));
  EXPECT_TRUE(holds(refusal({"alias", "set", "prod", kTinyModel, "--weight", "9x"}), "9x"));
  EXPECT_TRUE(holds(refusal({"alias", "set", "prod", kTinyModel, kTinyModel}), "--weight once"));
  EXPECT_TRUE(holds(refusal({"alias", "show", "prod"}), "no alias 'prod'"));
  EXPECT_TRUE(holds(refusal({"alias", "set", "prod", "mock:8"}), "'mock:8' has no directory"));
  ASSERT_EQ(run({"alias", "set", "prod", kTinyModel}).code, 0);
  EXPECT_TRUE(holds(refusal({"alias", "rollback", "prd"}), "did you mean prod"));
  fs::create_directories(folder_ / "prod");
  EXPECT_TRUE(holds(refusal({"inspect", "prod"}), "say alias:prod or local:prod"));
}

TEST_F(Alias, IsSetToFoldersAndToWhatAnotherLeadsTo) {
  fs::copy(kTinyModel, folder_ / "model-x", fs::copy_options::recursive);
  write_config("tiny.yaml", "  max_steps: 2\n");
  ASSERT_EQ(run({"train", "tiny.yaml"}).code, 0);
  const std::string model = run({"jobs", "list", "--json"}).last_line()[0]["model_id"];
  ASSERT_EQ(run({"alias", "set", "candidate", model}).code, 0);
  EXPECT_EQ(run({"alias", "set", "prod", "candidate"}).out, "prod  " + model + "\n")
      << "by the id of its model, as the other";
  EXPECT_EQ(run({"alias", "set", "prod", "prod"}).out, "prod  " + model + "\n");
  const Outcome folder = run({"alias", "set", "prod", "model-x"});
  EXPECT_EQ(folder.code, 0) << folder.err;
  ASSERT_EQ(run({"alias", "set", "prod", "model-x", model, "--weight", "9", "--weight", "1"}).code,
            0);
  EXPECT_TRUE(holds(refusal({"alias", "set", "candidate", "prod"}), "an alias of 2 models"));
}

// The eight steps; what is run again shows in the times of the stages' files.
class EightSteps : public Alias {
 protected:
  EightSteps() {
    for (int i = 0; i < 8; ++i) {
      const std::string n = std::to_string(i);
      spit(folder_ / "docs" / ("page" + n + ".html"),
           "<h1>Room " + n + "</h1><h2>Where is item " + n + " kept?</h2><p>Item number " + n +
               " is kept in a box that stands in the hall of the house beside door " + n + ".</p>");
    }
  }
  std::vector<std::string> words(const std::vector<std::string>& changes) const {
    std::vector<std::string> all = {"run",
                                    source_path("configs/eight_steps.yaml"),
                                    "output=out",
                                    "device=cpu",
                                    "documents.paths=[docs]",
                                    "chunks.min_words=3",
                                    "generate.test_share=0.3",
                                    "generate.validation_share=0.2",
                                    "model.base=" + kTinyModel,
                                    "model.max_length=64",
                                    "train.batch_size=2"};
    all.insert(all.end(), changes.begin(), changes.end());
    return all;
  }
  // The stages that were run, in the table's order; with `said`, those that --explain told before.
  std::string run_again(const std::vector<std::string>& changes, std::string* said = nullptr) {
    if (said != nullptr) {
      std::vector<std::string> asked = words(changes);
      asked.insert(asked.end(), {"--explain", "--json"});
      said->clear();
      const Json told = run(asked).last_line();
      for (const Json& stage : told["stages"])
        if (stage["status"] == "runs")
          *said += (said->empty() ? "" : " ") + stage["stage"].get<std::string>();
    }
    const Outcome outcome = run(words(changes));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    std::string ran;
    for (const char* stage :
         {"generate", "check", "train", "evaluate", "index", "integrate", "report"}) {
      const fs::path file = folder_ / "out" / "stages" / (std::string(stage) + ".json");
      if (!fs::exists(file)) continue;
      const fs::file_time_type time = fs::last_write_time(file);
      if (times_[stage] != time) ran += std::string(ran.empty() ? "" : " ") + stage;
      times_[stage] = time;
    }
    return ran;
  }
  std::string prod() const { return run({"alias", "list"}).out; }
  std::size_t jobs() const { return run({"jobs", "list", "--json"}).last_line().size(); }

  std::map<std::string, fs::file_time_type> times_;
};

TEST_F(EightSteps, RunOnceAndThenOnlyWhatDependsOnAChange) {
  const std::string all = "integrate.if_better=false";
  EXPECT_EQ(run_again({all}), "generate check train evaluate index integrate report");
  const std::string first = prod();
  EXPECT_TRUE(holds(first, "out/integrated/")) << first;
  const std::string vectors = embedded("prod");
  EXPECT_EQ(run_again({all}), "");
  EXPECT_EQ(jobs(), 1u);
  EXPECT_EQ(run_again({all, "evaluate.k=[1, 2]"}), "evaluate report");
  EXPECT_EQ(prod(), first);
  EXPECT_EQ(run_again({all, "evaluate.k=[1, 2]", "train.learning_rate=1e-3"}),
            "train evaluate index integrate report");
  EXPECT_NE(embedded("prod"), vectors);
  ASSERT_EQ(run({"alias", "rollback", "prod"}).code, 0);
  EXPECT_EQ(embedded("prod"), vectors) << "the model that was in use is still there";
  EXPECT_EQ(run_again({all, "evaluate.k=[1, 2]", "train.learning_rate=1e-3"}), "")
      << "a rollback stays";
  EXPECT_EQ(prod(), first);
}

TEST_F(EightSteps, WhatIsGoneIsMadeAgainAsExplained) {
  const std::string all = "integrate.if_better=false";
  std::string said;
  run_again({all}, &said);
  EXPECT_EQ(said, "generate check train evaluate index integrate report");
  const std::string first = prod();
  fs::remove_all(folder_ / "out" / "index");
  EXPECT_EQ(run_again({all}, &said), "index");
  EXPECT_EQ(said, "index");
  ASSERT_EQ(run({"alias", "rm", "prod"}).code, 0);
  EXPECT_EQ(run_again({all}, &said), "integrate");
  EXPECT_EQ(said, "integrate");
  EXPECT_EQ(prod(), first);
  fs::remove_all(folder_ / "out" / "integrated");
  EXPECT_EQ(run_again({all}, &said), "integrate");
  EXPECT_EQ(said, "integrate");
  embedded("prod");
  EXPECT_EQ(run_again({all}, &said), "");
  EXPECT_EQ(said, "");
}

TEST_F(EightSteps, AModelThatIsNotBetterIsNeitherIndexedNorIntegrated) {
  const std::string ran = run_again({});  // two steps of a tiny model show nothing
  EXPECT_EQ(ran, "generate check train evaluate integrate report");
  EXPECT_EQ(prod(), "");
  EXPECT_FALSE(fs::exists(folder_ / "out" / "index"));
  EXPECT_EQ(run_again({}), "");
  std::vector<std::string> asked = words({"evaluate.k=[1, 2]"});
  asked.push_back("--explain");
  const std::string told = run(asked).out;  // another verdict may come
  EXPECT_TRUE(holds(told, "index     runs     it has not run in out, if the model is better"))
      << told;
  const std::string wrong =
      refusal(words({"model.base=prod", "evaluate.baselines=[bm25]", "integrate.weight=0"}));
  EXPECT_TRUE(holds(wrong, "integrate.weight")) << wrong;
  const std::string more = refusal(words({"model.base=prod", "evaluate.baselines=[bm25]"}));
  EXPECT_TRUE(holds(more, "every run would train on")) << more;
  EXPECT_TRUE(holds(more, "with the baseline base")) << more;
}

}  // namespace
}  // namespace attune::test
