#include "apps/command_table.h"

#include <algorithm>

#include "apps/padded.h"
#include "core/config_reader.h"
#include "core/error.h"

namespace attune {
namespace {

using Answer = Command::Answer;
constexpr std::size_t kAny = 1000000;

const Option kJson{"--json", "", "the result as one line of JSON on stdout"};
const Option kDryRun{"--dry-run", "", "tell memory, steps, time and disk, and write nothing"};
const Option kModel{"--model", "M", "directory, local:DIR, or a name in the Hugging Face cache",
                    true};
const Option kIndexModel{"--model", "M", "default: the one that the index was made with"};
const Option kBase{
    "--base", "M",
    "the base model of an adapter or a PEFT directory; default: the one it was trained on"};
const Option kDevice{"--device", "NAME", "auto (default), cpu, cuda or cuda:N",
                     false,      false,  {"auto", "cpu", "cuda"}};
const Option kPrecision{"--precision", "TYPE", "fp32 (default), bf16 or int8",
                        false,         false,  {"fp32", "bf16", "int8"}};
const Option kMaxLength{"--max-length", "N", "tokens a text is cut to; default: the model's limit"};
const Option kBatchTokens{"--batch-tokens", "N",
                          "tokens embedded at once; default 4096, on CUDA 16384"};
const Option kInput{"--input", "FILE",
                    "UTF-8, one text a line; a name in .jsonl: one JSON string a line", true};

const Option kFailUnder{"--fail-under", "METRIC=VALUE",
                        "exit code 1 where the finetuned model's metric is lower, as ndcg@10=0.70",
                        false, true};

// `attune data mine`.
std::vector<Option> mine_options() {
  return {
      {"--dataset", "FILE", "QA data set (JSON, also .gz)", true},
      {"--output", "OUT.negatives.jsonl", "for train.negatives; written whole or not at all", true},
      {"--model", "M", "ranks and scores the passages; not needed with --source bm25"},
      {"--source",
       "NAME",
       "model (default), bm25, or both in turn: who ranks the passages",
       false,
       false,
       {"model", "bm25", "both"}},
      {"--num-negatives", "N", "of each query; default 3"},
      {"--range-min", "N", "best candidates passed over; default 0"},
      {"--range-max", "N", "candidates looked at; default: as many as the other settings need"},
      {"--max-score", "X", "a candidate with a higher score is none"},
      {"--min-score", "X", "a candidate with a lower score is none"},
      {"--absolute-margin", "X", "a candidate's score is at least so far below the positive's"},
      {"--relative-margin", "X",
       "the same as a share of the positive's score; default 0.05, none: no such margin"},
      {"--sampling",
       "NAME",
       "top (default) or random: which candidates are taken",
       false,
       false,
       {"top", "random"}},
      {"--seed", "N", "of the random choice; default 42"},
      kBase,
      kDevice,
      kPrecision,
      kMaxLength,
      kBatchTokens,
      kJson};
}

std::vector<Command> make_commands() {
  const std::string overrides = "CONFIG [section.key=value ...]";
  return {
      {"run",
       overrides,
       "every stage that CONFIG names; unchanged ones are not run again",
       1,
       kAny,
       Answer::kLibraryWithConfig,
       {kDryRun,
        {"--explain", "", "tell which stages would run, and why, and run none"},
        {"--json", "", "with --dry-run or --explain: as one line of JSON on stdout"},
        kFailUnder},
       {"attune run configs/quickstart.yaml",
        "attune run my.yaml train.epochs=3 output=runs/longer",
        "attune run my.yaml train.learning_rate=1e-5 --explain"}},
      {"train",
       overrides,
       "finetune the model that CONFIG describes",
       1,
       kAny,
       Answer::kLibraryWithConfig,
       {kJson,
        {"--resume", "", "go on from the newest checkpoint of the output; start if there is none"},
        {"--overwrite", "", "replace the run that the output holds"},
        kDryRun},
       {"attune train my.yaml --json", "attune train my.yaml --resume"}},
      {"generate",
       overrides,
       "documents to passages, questions for them, and their data sets",
       1,
       kAny,
       Answer::kLibraryWithConfig,
       {kJson, {"--dry-run", "", "tell passages, requests, tokens and cost, and ask nobody"}},
       {"attune generate my.yaml --json", "attune generate my.yaml --dry-run"}},
      {"sweep",
       "CONFIG key=a,b[,...] [key=...]",
       "train every combination of some settings' values, and rank them on the validation set",
       2,
       kAny,
       Answer::kLibraryWithSweep,
       {kJson},
       {"attune sweep my.yaml adapter.type=linear,two_layer train.learning_rate=1e-4,3e-4",
        "attune sweep my.yaml train.weight_decay=0,0.01,0.1 train.epochs=5 output=runs/decay"}},
      {"evaluate",
       "",
       "rank a data set's passages for its queries, and measure",
       0,
       0,
       Answer::kLibrary,
       {{"--model", "M", "a model to measure; several are compared with the first", true, true},
        {"--dataset", "FILE", "QA data set (JSON, also .gz)", true},
        {"--k", "LIST", "cut-offs; default 1,3,5,10"},
        {"--bm25", "", "BM25 beside the models"},
        {"--search",
         "WAY",
         "a row more for the last --model: hybrid (with BM25), reranked (BM25's best by cosine), "
         "index or approximate_index",
         false,
         true,
         {"hybrid", "reranked", "index", "approximate_index"}},
        {"--report", "FILE.html", "the same as a page"},
        {"--cost", "", "time of a query and of a batch, memory and disk of every model"},
        {"--fail-under", "METRIC=VALUE",
         "exit code 1 where the last --model's metric is lower, as ndcg@10=0.70", false, true},
        kBase,
        kDevice,
        kPrecision,
        kMaxLength,
        kBatchTokens,
        kJson},
       {"attune evaluate --model BASE --model runs/my-run/artifact --dataset test.json",
        "attune evaluate --model BASE --bm25 --dataset test.json --k 1,5,20 --json",
        "attune evaluate --model runs/my-run/artifact --bm25 --search hybrid --search reranked "
        "--dataset test.json --cost"}},
      {"report",
       "RUN [RUN ...]",
       "a page of one run (report.html in its folder), or of several, compared with the first",
       1,
       100,
       Answer::kProgram,
       {{"--output", "FILE.html", "default: RUN/report.html; needed for several runs"},
        {"--examples", "N", "questions that got better, and worse, in one run's page; default 10"},
        kFailUnder},
       {"attune report runs/my-run", "attune report runs/a runs/b --output comparison.html",
        "attune report runs/my-run --fail-under ndcg@10=0.70"}},
      {"embed",
       "",
       "texts to vectors (NumPy .npy, float32, one row a text)",
       0,
       0,
       Answer::kLibrary,
       {kModel,
        kBase,
        kInput,
        {"--output", "OUT.npy", "written whole or not at all", true},
        {"--role",
         "ROLE",
         "text (default) or query: which stored prompt is put before the texts",
         false,
         false,
         {"text", "query"}},
        kPrecision,
        kMaxLength,
        kDevice,
        kBatchTokens,
        kJson},
       {"attune embed --model runs/my-run/artifact --input texts.txt --output vectors.npy",
        "attune embed --model BASE --role query --precision int8 --input q.jsonl --output q.npy"}},
      {"tokenize",
       "",
       "texts to token ids, one JSON array a line",
       0,
       0,
       Answer::kLibrary,
       {kModel, kInput, kMaxLength},
       {"attune tokenize --model DIR --input texts.txt"}},
      {"index build",
       "INDEX",
       "passages and their vectors, to be searched, in a folder or PostgreSQL; what is there stays",
       1,
       1,
       Answer::kLibrary,
       {kModel,
        {"--input", "FILE",
         "nodes (.jsonl: id, text, metadata) or a QA data set; left out: those in INDEX"},
        {"--approximate", "", "a graph of neighbours, for fast searches that may miss some"},
        kBase,
        kDevice,
        kPrecision,
        kMaxLength,
        kBatchTokens,
        kJson},
       {"attune index build my-index --model runs/my-run/artifact --input passages.jsonl",
        "attune index build my-index --model OTHER",
        "attune index build 'postgresql://me@host/db#my_index' --model M --input passages.jsonl"}},
      {"index add",
       "INDEX",
       "add nodes to an index, and replace those that have changed",
       1,
       1,
       Answer::kLibrary,
       {{"--input", "FILE", "nodes (.jsonl: id, text, metadata) or a QA data set", true},
        kIndexModel,
        kBase,
        kDevice,
        kPrecision,
        kMaxLength,
        kBatchTokens,
        kJson},
       {"attune index add my-index --input more.jsonl"}},
      {"index search",
       "INDEX [QUERY ...]",
       "the passages that are nearest to queries",
       1,
       kAny,
       Answer::kLibrary,
       {{"--k", "N", "passages for each query; default 10"},
        {"--input", "FILE", "queries: UTF-8, one a line; a name in .jsonl: one JSON string a line"},
        {"--exact", "", "compare with every passage, also where there is a graph"},
        kIndexModel,
        kBase,
        kDevice,
        kPrecision,
        kMaxLength,
        kBatchTokens,
        {"--json", "", "one line of JSON for each query on stdout"}},
       {"attune index search my-index 'how is a mutex poisoned?'",
        "attune index search my-index --input queries.txt --k 5 --json"}},
      {"index verify",
       "INDEX",
       "whether every byte of an index is what was written",
       1,
       1,
       Answer::kLibrary,
       {kJson},
       {"attune index verify my-index"}},
      {"inspect",
       "M",
       "what a model is, what training it takes, or all that is in the way of using it",
       1,
       1,
       Answer::kLibrary,
       {kJson},
       {"attune inspect runs/my-run/artifact --json"}},
      {"export",
       "ARTIFACT",
       "an adapter and its base as one directory for sentence-transformers",
       1,
       1,
       Answer::kLibrary,
       {{"--output", "DIR", "written whole or not at all", true}, kBase, kJson},
       {"attune export runs/my-run/artifact --output my-model"}},
      {"data stats",
       "FILE ...",
       "rows, words, repetitions, labels and what is refused of data sets in any format",
       1,
       kAny,
       Answer::kLibrary,
       {kJson},
       {"attune data stats train.jsonl"}},
      {"data check",
       "FILE ...",
       "every mistake of data sets, and what stands in more than one; ends with 3 if any",
       1,
       kAny,
       Answer::kLibrary,
       {},
       {"attune data check train.json test.json"}},
      {"data convert",
       "IN OUT",
       "another format of a data set, by the names' ends",
       2,
       2,
       Answer::kLibrary,
       {{"--negatives", "FILE", "hard negatives of a data set that becomes a table"},
        {"--split", "NAME", "of the BEIR folder that is written; default test"},
        {"--lossy", "", "leave out what the output cannot hold, and tell it"},
        kJson},
       {"attune data convert train.json train.jsonl"}},
      {"data split",
       "FILE",
       "parts of a data set of which none knows a passage or a query of another",
       1,
       1,
       Answer::kLibrary,
       {{"--output", "DIR", "gets train.json, test.json, and of three validation.json", true},
        {"--shares", "LIST", "of the queries to each part; default 0.8,0.1,0.1"},
        {"--seed", "N", "default 0"},
        {"--near-duplicates", "SHARE",
         "passages at least this alike stay together; default 0.8, 0: equal ones alone"},
        kJson},
       {"attune data split all.json --shares 0.8,0.1,0.1 --output splits"}},
      {"data head",
       "FILE",
       "the first rows of a data set",
       1,
       1,
       Answer::kLibrary,
       {{"--rows", "N", "default 5"}},
       {"attune data head train.jsonl --rows 2"}},
      {"data mine",
       "",
       "mine hard negatives for the queries of a data set",
       0,
       0,
       Answer::kLibrary,
       mine_options(),
       {"attune data mine --model BASE --dataset train.json --output train.negatives.jsonl",
        "attune data mine --source bm25 --dataset train.json --output train.negatives.jsonl"}},
      {"jobs submit",
       overrides,
       "queue a run; `attune jobs worker` does it",
       1,
       kAny,
       Answer::kProgram,
       {kJson},
       {"attune jobs submit my.yaml train.epochs=3"}},
      {"jobs list",
       "",
       "the runs of this user, newest first: id, status, progress, model",
       0,
       0,
       Answer::kProgram,
       {kJson},
       {"attune jobs list"}},
      {"jobs show",
       "ID",
       "all about one run, and what to do next",
       1,
       1,
       Answer::kProgram,
       {kJson},
       {"attune jobs show job-0123456789ab"}},
      {"jobs events",
       "ID",
       "what happened to a run",
       1,
       1,
       Answer::kProgram,
       {{"--follow", "", "until the run has ended"}},
       {"attune jobs events job-0123456789ab --follow"}},
      {"jobs wait",
       "ID ...",
       "until the runs have ended; ends with 1 where one has not succeeded",
       1,
       kAny,
       Answer::kProgram,
       {},
       {"attune jobs wait $(attune jobs submit my.yaml)"}},
      {"jobs cancel",
       "ID ...",
       "stop runs: queued ones at once, others after their step, with a checkpoint",
       1,
       kAny,
       Answer::kProgram,
       {},
       {"attune jobs cancel job-0123456789ab"}},
      {"jobs resume",
       "ID ...",
       "queue failed or interrupted runs again; training goes on from its checkpoint",
       1,
       kAny,
       Answer::kProgram,
       {},
       {"attune jobs resume job-0123456789ab"}},
      {"jobs rm",
       "ID ...",
       "forget ended runs; their files stay",
       1,
       kAny,
       Answer::kProgram,
       {},
       {"attune jobs rm job-0123456789ab"}},
      {"jobs worker",
       "",
       "do the queued runs, one after the other",
       0,
       0,
       Answer::kProgram,
       {{"--drain", "", "end when the queue is empty"},
        {"--hook", "COMMAND",
         "for the shell, after each run, with ATTUNE_JOB and ATTUNE_JOB_STATUS"}},
       {"attune jobs worker --drain"}},
      {"alias set",
       "NAME MODEL [MODEL ...]",
       "lead a name to a model, or split it between several by weight",
       2,
       17,
       Answer::kLibrary,
       {{"--weight", "N", "with several models once for each, in their order", false, true}, kJson},
       {"attune alias set prod job-0123456789ab",
        "attune alias set prod job-0123456789ab job-ba9876543210 --weight 90 --weight 10"}},
      {"alias list",
       "",
       "the names of models in use, and where they lead",
       0,
       0,
       Answer::kProgram,
       {kJson},
       {"attune alias list"}},
      {"alias show",
       "NAME",
       "where a name leads and has led, with the requests and outcomes of each model",
       1,
       1,
       Answer::kProgram,
       {{"--key", "KEY", "only the model that answers the requests of this key"}, kJson},
       {"attune alias show prod", "attune alias show prod --key user-17"}},
      {"alias rollback",
       "NAME",
       "lead a name back to where it led before, and again to where it led before that",
       1,
       1,
       Answer::kProgram,
       {kJson},
       {"attune alias rollback prod"}},
      {"alias rm",
       "NAME",
       "forget a name, its history and its counts; the models stay",
       1,
       1,
       Answer::kProgram,
       {},
       {"attune alias rm candidate"}},
      {"config",
       "check|print|doc|schema [" + overrides + "]",
       "check a configuration, print it with its origins, document every setting, JSON Schema",
       1,
       kAny,
       Answer::kProgram,
       {},
       {"attune config check my.yaml", "attune config print my.yaml train.epochs=3",
        "attune config doc", "attune config schema > attune.schema.json"},
       {"check", "print", "doc", "schema"}},
      {"recipes",
       "ls|cat|cp [NAME] [FILE]",
       "configurations to begin with: list them, show one, or copy one to FILE",
       1,
       3,
       Answer::kProgram,
       {},
       {"attune recipes ls", "attune recipes cat adapter", "attune recipes cp adapter my.yaml"},
       {"ls", "cat", "cp"}},
      {"doctor",
       "",
       "whether this machine is fit for work, and what to do where it is not",
       0,
       0,
       Answer::kLibraryWithDoctor,
       {{"--output", "DIR", "where runs are to be written; default runs"}, kJson},
       {"attune doctor", "attune doctor --output /data/runs --json"}},
      {"bench",
       "compare A.json B.json",
       "whether benchmark report B is slower than A",
       3,
       3,
       Answer::kProgram,
       {{"--limit", "PERCENT", "a change of at most this is none; default 5"}},
       {"attune bench compare benchmarks/reports/cpu-2026-11-21.json new.json",
        "attune bench compare old.json new.json --limit 10"},
       {"compare"}},
      {"completion",
       "bash|zsh|fish",
       "what a shell needs to complete commands, options and settings",
       1,
       1,
       Answer::kProgram,
       {},
       {"source <(attune completion bash)", "attune completion zsh > ~/.zfunc/_attune",
        "attune completion fish > ~/.config/fish/completions/attune.fish"},
       {"bash", "zsh", "fish"}},
      {"man",
       "",
       "the manual page, for man(1)",
       0,
       0,
       Answer::kProgram,
       {},
       {"attune man | man -l -", "attune man > attune.1"}},
      {"version", "", "the version", 0, 0, Answer::kProgram, {}, {"attune version"}},
      {"help",
       "[COMMAND]",
       "this text, or a command's",
       0,
       2,
       Answer::kProgram,
       {},
       {"attune help train", "attune help data split"}},
  };
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> table = make_commands();
  return table;
}

const std::vector<Option>& common_options() {
  static const std::vector<Option> options = {
      {"--quiet", "", "warnings and errors alone, no progress", false, false, {}, "-q"},
      {"--verbose", "", "more about what is done", false, false, {}, "-v"},
      {"--help", "", "this text", false, false, {}, "-h"}};
  return options;
}

std::string invocation(const Option& option) {
  const std::string name = (option.letter.empty() ? "" : option.letter + ", ") + option.name;
  return option.value.empty() ? name : name + " " + option.value;
}

std::string usage(const Command& command) {
  std::string usage = "attune " + command.name;
  if (!command.positionals.empty()) usage += " " + command.positionals;
  for (const Option& option : command.options) {
    const std::string shown = invocation(option);
    const char* const more = option.is_repeatable ? " ..." : "";
    if (option.is_required) usage += " " + shown;
    if (!option.is_required || option.is_repeatable) usage += " [" + shown + more + "]";
  }
  return usage;
}

const Command& find_command(std::span<const std::string> words) {
  std::string given = words[0];
  std::vector<std::string> names;
  for (const Command& command : commands()) {
    if (command.words() == 2 && command.name.starts_with(words[0] + " ") && words.size() > 1)
      given = words[0] + " " + words[1];
    if (command.name == given) return command;
    names.push_back(command.name);
  }
  const auto close = nearest(given, names);
  throw_error(ErrorKind::kConfig, "unknown command '", given, "'",
              close ? " (did you mean '" + *close + "'?)" : "", "; `attune help` lists them all");
}

std::string overview() {
  std::string text =
      "attune finetunes embedding models so that they retrieve your documents better, and measures "
      "it.\n\n"
      "usage: attune COMMAND ...\n\n";
  for (const Command& command : commands())
    text += "  " + padded(command.name, 16) + command.summary + "\n";
  text +=
      "\nto begin with:\n"
      "  attune doctor                          is this machine fit for it?\n"
      "  attune recipes cp quickstart my.yaml   then change documents.paths\n"
      "  attune run my.yaml\n"
      "\n`attune help COMMAND` tells more. Settings: docs/configuration.md, or `attune config "
      "doc`.\n"
      "Exit codes: 0 fine, 1 failed, 2 usage or configuration, 3 data or model, 4 memory, disk or "
      "device,\n"
      "5 diverged, 130 and 143 interrupted (docs/errors.md).\n";
  return text;
}

std::string command_help(const Command& command) {
  std::vector<Option> options = command.options;
  options.insert(options.end(), common_options().begin(), common_options().end());
  std::size_t width = 0;
  for (const Option& option : options) width = std::max(width, invocation(option).size());
  std::string text = "usage: " + usage(command) + "\n\n" + command.summary + "\n\n";
  for (const Option& option : options)
    text += "  " + padded(invocation(option), width) + "  " + option.help + "\n";
  text += "\nexamples:\n";
  for (const std::string& example : command.examples) text += "  " + example + "\n";
  return text;
}

}  // namespace attune
