#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iterator>

#include <attune/base_embedding.h>

#include "apps/standard_output.h"
#include "apps/verbs.h"
#include "core/error.h"
#include "core/log.h"
#include "models/adapter_directory.h"
#include "models/job_model.h"
#include "models/lora_directory.h"
#include "models/model_directory.h"
#include "pipeline/environment.h"
#include "pipeline/report/html.h"
#include "pipeline/report/numbers.h"
#include "pipeline/report/page_frame.h"
#include "pipeline/report/report.h"
#include "pipeline/report/systems_section.h"
#include "retrieval/evaluation.h"
#include "retrieval/gate.h"
#include "retrieval/report_table.h"
#include "retrieval/searches.h"

namespace attune {
namespace {

// Made and removed by --search index.
std::string index_folder() {
  return (std::filesystem::temp_directory_path() / str_cat("attune-evaluate-", getpid())).string();
}

std::string page_of(const Json& told, const EmbeddingQAFinetuneDataset& dataset) {
  const std::string head =
      str_cat("<h1>Evaluation</h1>\n<p class=\"lead\">On ",
              escape_cut(told["dataset"].get<std::string>(), 200), ": ",
              counted(told["models"][0]["queries"].get<std::int64_t>(), "question"), ", ",
              counted(dataset.corpus.size(), "passage"), ".</p>\n");
  return framed_page("Evaluation", head, {{"systems", "All systems", systems_section(told)}});
}

}  // namespace

void evaluate_command(const Arguments& arguments, const RunConfig&) {
  EmbedOptions options;
  options.precision = arguments.value("--precision", options.precision);
  options.device = arguments.value("--device", options.device);
  options.max_length = arguments.number("--max-length", 0, 1);
  options.batch_tokens = arguments.number("--batch-tokens", 0, 1);
  const std::vector<int> k = parse_list(arguments.value("--k", "1,3,5,10"), "--k");
  const std::vector<Gate> gates = parse_gates(arguments.values("--fail-under"), k);
  const std::string path = arguments.value("--dataset"), base = arguments.value("--base", "");
  const auto dataset = EmbeddingQAFinetuneDataset::from_json(path);
  const std::vector<std::string> models = arguments.values("--model"),
                                 searches = arguments.values("--search");
  std::vector<Evaluation> systems;
  Evaluation candidate;
  for (const std::string& name : models) {
    // A base is for the adapters among them.
    bool adapts = false;
    if (names_directory(name)) {
      const std::string directory = resolve_model_path(name);
      adapts = is_adapter_directory(directory) || is_lora_directory(directory);
    }
    options.base = adapts ? base : "";
    log_info(str_cat("evaluate: ", name, " on ", dataset.queries.size(), " queries and ",
                     dataset.corpus.size(), " passages"));
    const bool is_last = &name == &models.back();
    MeasuredModel loaded;
    if (arguments.has("--cost"))
      loaded = load_measured(name, options, dataset);
    else
      loaded.model = resolve_embed_model(name, options);
    auto rows = evaluate_searches(loaded.model, name, dataset, k,
                                  is_last ? searches : std::vector<std::string>(), index_folder());
    if (arguments.has("--cost")) rows.front().cost = loaded.cost;
    if (is_last) candidate = rows.front();
    std::move(rows.begin(), rows.end(), std::back_inserter(systems));
  }
  if (arguments.has("--bm25")) systems.push_back(evaluate_bm25(dataset, k));
  const Gains gains = gains_of(systems);
  Json told = report_json(path, systems, gains);
  if (arguments.has("--cost")) told["machine"] = describe_environment(options.device);
  if (const std::string page = arguments.value("--report", ""); !page.empty())
    write_report(page_of(told, dataset), page);
  write_stdout(arguments.has("--json") ? told.dump() + "\n" : report_table(systems, gains));
  check_gates(gates, candidate.metrics, candidate.model);
}

}  // namespace attune
