#include <attune/base_embedding.h>

#include "apps/standard_output.h"
#include "apps/verbs.h"
#include "core/error.h"
#include "core/log.h"
#include "models/adapter_directory.h"
#include "models/lora_directory.h"
#include "models/model_directory.h"
#include "retrieval/evaluation.h"
#include "retrieval/gate.h"
#include "retrieval/report_table.h"

namespace attune {

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
  std::vector<Evaluation> systems;
  for (const std::string& name : arguments.values("--model")) {
    // A base is for the adapters among them.
    const std::string directory = resolve_model_path(name);
    const bool adapts = is_adapter_directory(directory) || is_lora_directory(directory);
    options.base = adapts ? base : "";
    const auto model = resolve_embed_model(name, options);
    log_info(str_cat("evaluate: ", name, " on ", dataset.queries.size(), " queries and ",
                     dataset.corpus.size(), " passages"));
    systems.push_back(evaluate(*model, dataset, k));
    systems.back().model = name;
  }
  const Evaluation candidate = systems.back();
  if (arguments.has("--bm25")) systems.push_back(evaluate_bm25(dataset, k));
  const Gains gains = gains_of(systems);
  write_stdout(arguments.has("--json") ? report_json(path, systems, gains).dump() + "\n"
                                       : report_table(systems, gains));
  check_gates(gates, candidate.metrics, candidate.model);
}

}  // namespace attune
