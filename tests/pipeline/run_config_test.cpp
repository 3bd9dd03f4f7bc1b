#include "pipeline/run_config.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "core/config_documenter.h"
#include "core/error.h"
#include "core/file.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

RunConfig parse(const std::string& text) {
  RunConfig config;
  ConfigDocument::parse(text, "run.yaml").read(config);
  return config;
}

// The message that `text` is refused with; "" if it is read.
std::string refusal(const std::string& text) {
  try {
    parse(text);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    return error.what();
  }
}

const std::string kHead = "version: 1\nname: x\n";
const std::string kModel = "model: {base: m}\n";
const std::string kAdapter = kHead + kModel + "data: {train: t}\ntrain: {mode: adapter}\n";
const std::string kDocuments = "documents: {paths: [d]}\n";

TEST(RunConfig, AcceptsEachWayToGiveData) {
  EXPECT_EQ(refusal(kHead + kModel + "data: {train: t.json}\ntrain: {}\n"), "");
  EXPECT_EQ(refusal(kHead + kModel + kDocuments + "generate: {}\ntrain: {}\nevaluate: {}\n"), "");
  EXPECT_EQ(refusal(kHead + kModel + kDocuments + "generate: {}\n"), "") << "pairs alone";
  EXPECT_EQ(refusal(kHead + kModel + "data: {train: t, test: t}\ntrain:\nevaluate:\n"), "")
      << "empty sections";
}

TEST(RunConfig, DataMayBeOneSetOrSeveral) {
  RunConfig config = parse(kHead + kModel + "data: {train: a.json}\ntrain: {}\n");
  EXPECT_EQ(config.data.train, (std::vector<std::string>{"a.json"}));
  EXPECT_NE(print_config(config).find("  train: a.json\n"), std::string::npos);
  config =
      parse(kHead + kModel + "data: {train: [a.json, b.json]}\ntrain: {negatives: [\"\", n]}\n");
  EXPECT_EQ(config.data.train, (std::vector<std::string>{"a.json", "b.json"}));
  const RunConfig again = parse(print_config(config));
  EXPECT_EQ(again.data.train, config.data.train);
  EXPECT_EQ(again.train.negatives, (std::vector<std::string>{"", "n"}));
  EXPECT_TRUE(
      parse(kHead + kModel + kDocuments + "generate: {}\ndata: {train: }\n").data.train.empty());
}

TEST(RunConfig, PromptsOfColumnsSayThoseOfQueriesAndDocuments) {
  const std::string tail = "data: {train: t}\ntrain: {}\n";
  const RunConfig config =
      parse(kHead + "model: {base: m, prompts: {columns: [\"q: \", \"d: \", \"n: \"]}}\n" + tail);
  EXPECT_EQ(config.model.prompts.query_text(), "q: ");
  EXPECT_EQ(config.model.prompts.document_text(), "d: ");
  EXPECT_TRUE(config.model.prompts.given);
  EXPECT_EQ(parse(print_config(config)).model.prompts.columns, config.model.prompts.columns);
  EXPECT_NE(refusal(kHead + "model: {base: m, prompts: {query: x, columns: [a, b]}}\n" + tail)
                .find("give either"),
            std::string::npos);
  EXPECT_NE(refusal(kHead + "model: {base: m, prompts: {columns: [a, b]}}\ndata: {train: t}\n" +
                    "train: {mode: adapter}\n")
                .find("an adapter's base"),
            std::string::npos);
}

TEST(RunConfig, BatchesOfLabelsTokensAndDataSetsHaveRules) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"data: {train: t}\ntrain: {sampler: group_by_label, batch_size: 7}\n", "even batch_size"},
      {"data: {train: t}\ntrain: {sampler: group_by_label, batch_size: 2}\n", "even batch_size"},
      {"data: {train: t}\ntrain: {sampler: group_by_label, batch_tokens: 9}\n", "batch_tokens"},
      {"data: {train: t}\ntrain: {mode: adapter, batch_tokens: 9}\n", "batch_tokens"},
      {"data: {train: t}\ntrain: {batch_tokens: -1}\n", "at least 0"},
      {"data: {train: t}\ntrain: {accumulate: 0}\n", "accumulate"},
      {"data: {train: t}\ntrain: {multi_dataset: shuffled}\n", "none of proportional"},
      {"data: {train: [a, b]}\ntrain: {negatives: n}\n", "another number of files"},
      {"data: {train: [a, b]}\ntrain: {negatives: [n, m, o]}\n", "another number of files"},
      {"data: {train: [a, b]}\ntrain: {mode: adapter, loss: {type: corpus}}\n", "one data set"},
      {"data: {train: [a, b]}\ntrain: {mode: adapter, parity: llamaindex}\n", "one data set"},
      {"data: {train: [a, [b]]}\ntrain: {}\n", "data.train[1]"},
      {"data: {train: {a: b}}\ntrain: {}\n", "data.train"},
      {"data: {train: [a, ~]}\ntrain: {}\n", "data.train[1]"},
  };
  for (const auto& [text, message] : cases)
    EXPECT_NE(refusal(kHead + kModel + text).find(message), std::string::npos)
        << text << refusal(kHead + kModel + text);
}

TEST(RunConfig, RefusesWhatDoesNotFitTogether) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {kHead, "no stage is named"},
      {kHead + kModel + "train: {}\n", "'train' has no data"},
      {kHead + "data: {train: t}\ntrain: {}\n", "model.base"},
      {kHead + kModel + "data: {train: t}\ntrain: {mode: adapter, last_layers: 1}\n",
       "train.last_layers, freeze_embeddings, rates and lora are of train.mode full"},
      {kHead + kModel + "data: {train: t}\ntrain: {lora: {save: peft}}\n", "peft without LoRA"},
      {kHead + kModel + "data: {train: t}\ntrain: {rates: [\"a*\"]}\n", "PATTERN=FACTOR"},
      {kHead + kModel + "data: {test: t}\nevaluate: {}\n", "needs 'train'"},
      {kHead + kModel + "data: {train: t}\ntrain: {}\nevaluate: {}\n", "no questions"},
      {kHead + kDocuments, "without 'generate'"},
      {kHead + "generate: {}\n", "without 'documents'"},
      {kHead + kDocuments + "generate: {}\n", "'generate' without 'model'"},
      {kHead + kModel + "chunks: {}\ndata: {train: a.json}\ntrain: {}\n",
       "'chunks' without 'documents'"},
      {kHead + kModel + kDocuments + "generate: {method: llm}\n", "give generate.llm"},
      {kHead + kModel + kDocuments + "generate: {generators: [magic]}\n", "magic"},
      {kHead + "documents: {}\ngenerate: {}\n", "documents"},
      {"name: x\n" + kDocuments + "generate: {}\n", "version"},
      {"version: 2\nname: x\n" + kDocuments + "generate: {}\n", "run.yaml:1:"},
      {"version: 1\n" + kDocuments + "generate: {}\n", "name"},
      {"version: 1\nname: ../x\n" + kDocuments + "generate: {}\n", "'../x' is no name"},
      {kAdapter + "adapter: {out_features: 8}\n", "set adapter.sides to both"},
      {kAdapter + "adapter: {sides: documents}\n", "one of query, both"},
      {kAdapter + "adapter: {settings: [rank=3]}\n", "linear has keys of its own"},
      {kAdapter + "adapter: {type: mine, settings: [rank]}\n", "expected name=value"},
      {kAdapter + "adapter: {type: mine, settings: [a=1, a=2]}\n", "'a' is given twice"},
      {kAdapter + "adapter: {type: mine, settings: [out_features=2]}\n", "'out_features'"},
      {kHead + kModel + "data: {train: t}\ntrain: {mode: adapter, parity: llamaindex}\n" +
           "adapter: {sides: both}\n",
       "queries alone"},
      {kHead + "device: gpu\n" + kDocuments + "generate: {}\n", "'gpu' is not known"},
      {kHead + kModel + "data: {train: t, test: t}\ntrain: {}\nevaluate: {k: []}\n", "k"},
      {kHead + kModel + "data: {train: t, test: t}\ntrain: {}\nevaluate: {baselines: [bm52]}\n",
       "bm25"},
      {kHead + kModel + "data: {train: t, test: t}\ntrain: {}\nevaluate: {candidates: [a, a]}\n",
       "'a', which is a row of the table already"},
      {kHead + kModel + "data: {train: t, test: t}\ntrain: {}\nevaluate: {candidates: [base]}\n",
       "./base"},
      {kHead + kModel + "data: {train: t, test: t}\ntrain: {}\nevaluate: {candidates: ['']}\n",
       "empty"},
      {kHead + kModel + "data: {train: t, test: t}\ntrain: {}\nevaluate: {candidates: [a1, a2, " +
           "a3, a4, a5, a6, a7, a8, a9, b1, b2, b3, b4, b5, b6, b7, b8, b9, c1, c2, c3]}\n",
       "at most 20"},
      {kHead + kModel + "data: {train: t, test: t}\ntrain: {}\nevaluate: {searches: [hybird]}\n",
       "hybrid"},
      {kHead + kModel +
           "data: {train: t, test: t}\ntrain: {}\nevaluate: {searches: [index, index]}\n",
       "twice"},
      {kHead + kModel + "data: {train: t, test: t}\ntrain: {}\n" +
           "index: {directory: 'postgresql://me:sesame@host/db'}\n",
       "PGPASSWORD"},
      {kHead + kModel + "data: {train: t, test: t}\ntrain: {}\n" +
           "index: {directory: 'postgresql://me:sesame@host/db#pg_x'}\n",
       "the name of an index"},
  };
  for (const auto& [text, said] : cases) {
    const std::string told = refusal(text);
    EXPECT_NE(told.find(said), std::string::npos) << text << "-> " << told;
    EXPECT_EQ(told.find("sesame"), std::string::npos) << told;
  }
}

TEST(RunConfig, RefusesSettingsOfALossThatContradict) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{type: mnlr}", "did you mean 'mnrl'"},
      {"{type: mnrl, directions: [doc_to_query]}", "query_to_doc is needed"},
      {"{directions: [query_to_doc, doc_to_doc], partition: per_direction}",
       "per_direction needs the positive"},
      {"{hardness: hard_negatives}", "'hardness' and 'hardness_strength' go together"},
      {"{type: CachedGISTEmbedLoss}", "gist needs a guide"},
      {"{type: triplet, similarity: dot}", "triplet knows cosine"},
      {"{similarity: euclidean}", "mnrl knows cosine and dot"},
      {"{matryoshka: {dims: [8, 4], weights: [1]}}", "as many weights as dims"},
      {"{matryoshka: {dims: [0]}}", "at least 1"},
      {"{matryoshka: {dims: [8], dims_per_step: 2}}", "fewer dims"},
  };
  for (const auto& [loss, said] : cases) {
    const std::string text =
        refusal(kHead + kModel + "data: {train: t}\ntrain:\n  loss: " + loss + "\n");
    EXPECT_NE(text.find(said), std::string::npos) << loss << " -> " << text;
  }
  EXPECT_EQ(refusal(kHead + kModel +
                    "data: {train: t}\ntrain: {loss: {type: CachedMultipleNegativesRankingLoss, "
                    "matryoshka: {dims: [8, 4], weights: [1, 0.5]}}}\n"),
            "");
}

TEST(RunConfig, WarnsOfSettingsWithoutEffect) {
  const std::string train = kHead + kModel + "data: {train: t}\ntrain: ";
  const std::string adapter =
      kHead + kModel + "data: {train: t}\ntrain: {mode: adapter}\nadapter: ";
  const std::string generate = kHead + kModel + kDocuments + "generate: ";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {train + "{}\nadapter: {}\n", "'adapter' has no effect: train.mode is not adapter"},
      {train + "{lora: {rank: 4}, freeze_embeddings: true}\n", "'train.freeze_embeddings'"},
      {train + "{lora: {alpha: 4}}\n", "'train.lora.alpha'"},
      {train + "{lora: {start: p, rank: 4}}\n", "'train.lora.rank'"},
      {train + "{loss: {type: cosent, directions: [query_to_doc, doc_to_query]}}\n",
       "'train.loss.directions' has no effect: the loss is cosent"},
      {train + "{loss: {type: triplet, scale: 3}}\n", "'train.loss.scale'"},
      {train + "{loss: {type: mnrl, guide: m}}\n", "'train.loss.guide'"},
      {train + "{loss: {type: infonce, margin: 0.1}}\n", "'margin' is not in train.loss.mask"},
      {train + "{loss: {type: gist, guide: g, margin_strategy: relative}}\n", "margin is 0"},
      {train + "{keep_checkpoints: 7}\n", "'train.keep_checkpoints'"},
      {train + "{multi_dataset: round_robin}\n", "'train.multi_dataset'"},
      {train + "{evaluate_steps: 7}\n", "'train.evaluate_steps'"},
      {train + "{deterministic: true}\ndevice: cpu\n", "'train.deterministic'"},
      {train + "{mode: adapter, recompute: true}\n", "'train.recompute'"},
      {adapter + "{rank: 4}\n", "'adapter.rank' has no effect: adapter.type is linear"},
      {adapter + "{type: low_rank, bias: true}\n", "'adapter.bias'"},
      {adapter + "{type: low_rank, add_residual: false}\n", "'adapter.add_residual'"},
      {generate + "{test_share: 0.3, question_pages: [faq*]}\n", "'generate.test_share'"},
      {generate + "{llm: {url: 'http://a', model: m}}\n", "'generate.llm'"},
      {generate + "{method: llm, generators: [headings], llm: {url: 'http://a', model: m}}\n",
       "'generate.generators'"},
      {generate + "{}\ndata: {test: t}\n", "'data.test' has no effect: there is no 'evaluate'"},
      {train + "{}\nmine: {seed: 7}\n", "'mine.seed'"},
  };
  for (const auto& [text, said] : cases) {
    RunConfig config;
    ConfigDocument document = ConfigDocument::parse(text, "run.yaml");
    document.read(config);
    ASSERT_EQ(document.warnings().size(), 1u) << text;
    EXPECT_NE(document.warnings()[0].find(said), std::string::npos) << document.warnings()[0];
    // What is saved of a run warns of no more than the file that it was made of.
    RunConfig again;
    ConfigDocument saved = ConfigDocument::parse(print_config(config), "config.yaml");
    saved.read(again);
    EXPECT_EQ(saved.warnings().size(), 1u) << print_config(config);
  }
}

TEST(RunConfig, MiningHasRules) {
  EXPECT_EQ(refusal(kHead + kModel + "data: {train: t}\nmine: {}\ntrain: {}\n"), "");
  EXPECT_NE(refusal(kHead + kModel + "data: {train: t}\nmine: {}\ntrain: {negatives: n}\n")
                .find("leave one of the two out"),
            std::string::npos);
  EXPECT_NE(refusal(kHead + kModel + kDocuments + "generate: {}\nmine: {}\n").find("no 'train'"),
            std::string::npos);
  EXPECT_NE(refusal(kHead + kModel + "data: {train: t}\nmine: {sauce: 1}\ntrain: {}\n")
                .find("did you mean 'source'?"),
            std::string::npos);
}

TEST(RunConfig, DeviceNames) {
  for (const char* name : {"auto", "cpu", "cuda", "cuda:0", "cuda:12"})
    EXPECT_TRUE(is_device_name(name)) << name;
  for (const char* name : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1000", "cpu:0"})
    EXPECT_FALSE(is_device_name(name)) << name;
}

TEST(RunConfig, PromptsThatWereNotGivenStayTheModels) {
  RunConfig config = parse(kHead + kModel + "data: {train: t}\ntrain: {}\n");
  EXPECT_FALSE(parse(print_config(config)).model.prompts.given);
  config = parse(kHead + "model: {base: m, prompts: {query: \"\"}}\ndata: {train: t}\ntrain: {}\n");
  EXPECT_TRUE(config.model.prompts.given);
  EXPECT_TRUE(parse(print_config(config)).model.prompts.given) << "\"\" turns a stored prompt off";
}

TEST(RunConfig, EveryShippedConfigurationIsRightAndPrintsBackEqual) {
  int seen = 0;
  const std::string folder = source_path("configs");
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".yaml") continue;
    ++seen;
    const RunConfig config = load_run_config(entry.path());
    EXPECT_EQ(config.output, "runs/" + config.name) << entry.path();
    const std::string printed = print_config(config);
    EXPECT_EQ(print_config(parse(printed)), printed) << entry.path();
    const std::string text = read_file(entry.path());
    EXPECT_TRUE(text.starts_with("# build/release/attune run configs/") ||
                text.starts_with("# attune ") || text.starts_with("# scripts/"))
        << entry.path() << " does not begin with its command";
  }
  EXPECT_GE(seen, 4);
}

TEST(RunConfig, DocumentationIsUpToDate) {
  const std::string page = read_file(source_path("docs/configuration.md"));
  EXPECT_NE(page.find(document_config<RunConfig>()), std::string::npos)
      << "docs/configuration.md is behind the code: build/release/attune config doc > "
         "docs/configuration.md";
}

}  // namespace
}  // namespace attune
