// The whole configuration of a run: the YAML file that `attune run` and `attune train` read.
// docs/configuration.md is made from visit(). No torch here: the small program checks and prints
// configurations without loading it.
//
// A stage belongs to a run when its section is there: `documents` with `generate`, `mine`, `train`,
// `evaluate`. Relative paths are relative to the directory in which attune is started.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/config_reader.h"
#include "data/chunks/chunker.h"
#include "data/documents/documents.h"
#include "data/generation/generate_config.h"
#include "models/adapter_config.h"
#include "models/model_config.h"
#include "retrieval/hard_negatives.h"
#include "trainer/train_config.h"

namespace attune {

// auto, cpu, cuda or cuda:N; whether it is there is seen when work starts.
bool is_device_name(const std::string& name);

struct DataConfig {
  std::vector<std::string> train;
  std::string validation, test;

  template <class Fields>
  void visit(Fields& f) {
    f.field("train", train,
            "QA data set (docs/formats.md), or a list of several that are trained on together "
            "(train.multi_dataset); left out: the generated one",
            list_or_one());
    f.field("validation", validation,
            "measured during training, and chooses the best step; left out: the generated one");
    f.field("test", test, "what `evaluate` ranks at the end; left out: the generated one");
  }
};

struct EvaluateConfig {
  std::vector<int> k = {1, 3, 5, 10};
  std::vector<std::string> baselines = {"base", "bm25"};
  std::vector<std::string> candidates, searches;

  template <class Fields>
  void visit(Fields& f) {
    Constraint each = at_least(1);
    each.not_empty = true;
    f.field("k", k, "cut-offs of hit rate, precision, recall, MRR and NDCG", each);
    f.field("baselines", baselines, "shown beside the finetuned model; base and bm25",
            one_of({"base", "bm25"}));
    f.field("candidates", candidates,
            "further models, measured beside the finetuned one; the more there are, the wider the "
            "intervals (docs/metrics.md)");
    f.field("searches", searches,
            "other ways of searching with the finetuned model, a row each: hybrid (with BM25), "
            "reranked (BM25's best by cosine), index and approximate_index (what an index loses)",
            one_of({"hybrid", "reranked", "index", "approximate_index"}));
  }
};

struct ReportConfig {
  int examples = 10;

  template <class Fields>
  void visit(Fields& f) {
    f.field("examples", examples,
            "questions that got better, and as many that got worse, that report.html shows with "
            "the passages found; 0: no text of the test stands in it",
            between(0, 100));
  }
};

struct IndexConfig {
  std::string passages, directory;
  bool approximate = false;

  template <class Fields>
  void visit(Fields& f) {
    f.field("passages", passages,
            "nodes (.jsonl: id, text, metadata) or a QA data set, whose passages are indexed; left "
            "out: the generated passages, else those of data.test");
    f.field("approximate", approximate,
            "a graph of neighbours, for fast searches that may miss some");
    f.field("directory", directory,
            "of the index, or postgresql://USER@HOST/DATABASE#NAME; left out: OUTPUT/index");
  }
};

struct IntegrateConfig {
  std::string alias;
  int weight = 100;
  bool if_better = true;

  template <class Fields>
  void visit(Fields& f) {
    Constraint named = required();
    named.not_empty = true;
    f.field("alias", alias,
            "name that leads to the finetuned model (`attune alias`): to a copy of it that stays",
            named);
    f.field("weight", weight,
            "per cent of the requests that it gets; the others stay with the model that the alias "
            "leads to most of all now. A new alias leads to this model alone",
            between(1, 100));
    f.field("if_better", if_better,
            "only a model that `evaluate` shows to be better than its base (NDCG, the whole 95 % "
            "interval above zero): another one is neither integrated nor indexed");
  }
};

struct RunConfig {
  int version = 1;
  std::string name;
  std::uint64_t seed = 42;
  std::string device = "auto";
  std::string output;
  bool has_documents = false, has_chunks = false, has_generate = false, has_data = false;
  bool has_model = false, has_mine = false, has_train = false, has_adapter = false;
  bool has_evaluate = false, has_index = false, has_integrate = false, has_report = false;
  DocumentsConfig documents;
  ChunkConfig chunks;
  GenerateConfig generate;
  DataConfig data;
  ModelConfig model;
  MiningConfig mine;
  TrainConfig train;
  AdapterConfig adapter;
  EvaluateConfig evaluate;
  IndexConfig index;
  IntegrateConfig integrate;
  ReportConfig report;

  // "runs/NAME" where no output is given.
  std::string output_directory() const { return output.empty() ? "runs/" + name : output; }

  template <class Fields>
  void visit(Fields& f) {
    Constraint only_version = between(1, 1);
    only_version.required = true;
    f.field("version", version, "of this format", only_version);
    Constraint named = required();
    named.not_empty = true;
    f.field("name", name, "of the run: letters, digits, '-', '_' and '.'", named);
    f.field("seed", seed, "of the data order, dropout and splits");
    f.field("device", device, "auto (the first GPU, else the processor), cpu, cuda or cuda:N");
    f.field("output", output, "folder of the run; left out: runs/NAME");
    optional(f, "documents", has_documents, documents, "what passages and questions are made of");
    optional(f, "chunks", has_chunks, chunks, "how documents are cut into passages");
    optional(f, "generate", has_generate, generate,
             "questions for the passages, and their data sets");
    optional(f, "data", has_data, data, "data sets that are there already");
    optional(f, "model", has_model, model, "the model to start from");
    optional(f, "mine", has_mine, mine,
             "hard negatives for the training pairs, by model.base or BM25; left out: none but "
             "train.negatives");
    optional(f, "train", has_train, train, "finetuning");
    optional(f, "adapter", has_adapter, adapter, "with train.mode adapter: which one");
    optional(f, "evaluate", has_evaluate, evaluate, "the finetuned model beside its base and BM25");
    optional(f, "index", has_index, index, "the passages in an index of the finetuned model");
    optional(f, "integrate", has_integrate, integrate,
             "an alias that leads to the finetuned model");
    optional(f, "report", has_report, report,
             "OUTPUT/report.html, which `attune run` writes with `evaluate` in any case");
    for (const Mistake& mistake : cross_mistakes()) f.mistake(mistake.key, mistake.message);
    for (const Idle& idle : idle_settings()) f.no_effect(idle.key, idle.if_so, idle.why);
  }

 private:
  struct Mistake {
    const char* key;
    std::string message;
  };
  // What is wrong between fields that are each right.
  std::vector<Mistake> cross_mistakes() const;
  // What changes nothing because of another section.
  struct Idle {
    const char* key;
    bool if_so;
    const char* why;
  };
  std::vector<Idle> idle_settings() const;

  template <class Fields, class Section>
  static void optional(Fields& f, const char* key, bool& given, Section& section,
                       const char* help) {
    given = given || f.has(key);
    if (given) f.section(key, section, help);
  }
};

// What reading found beside the values.
struct ConfigNotes {
  std::vector<std::string> warnings;  // settings without effect, each with its place
  ConfigOrigins origins;
};

// Reads, checks and resolves (`output`); every mistake is in one Error{kConfig}. Only the program
// calls this: it hands what was read to libattune, which so needs no YAML (docs/build.md).
RunConfig load_run_config(const std::string& path, std::span<const std::string> overrides = {},
                          ConfigNotes* notes = nullptr);

}  // namespace attune
