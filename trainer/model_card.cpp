#include "trainer/model_card.h"

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include "core/config_reader.h"
#include "core/durable.h"
#include "core/error.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/printed_config.h"
#include "models/job_model.h"
#include "trainer/lineage.h"

namespace attune {
namespace {

// A text as YAML: JSON's quotes are YAML's.
std::string yaml_text(const std::string& text) { return dump_json_like_python(Json(text), -1); }

std::string code(const std::string& text) {
  return "`" + (text.find('`') == std::string::npos ? text : "?") + "`";
}

std::string four_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", value);
  return text;
}

std::string points(double fraction) {
  char text[32];
  std::snprintf(text, sizeof text, "%+.1f", std::round(fraction * 1000) / 10);
  return text;
}

const Json* find_model(const Json& evaluation, const std::string& name) {
  if (!evaluation.is_object()) return nullptr;
  for (const Json& model : evaluation.at("models"))
    if (model.at("model") == name) return &model;
  return nullptr;
}

// sentence-transformers' names, which hubs know: "ndcg@10" -> "cosine_ndcg@10".
std::string hub_name(const std::string& metric) {
  return "cosine_" + (metric.starts_with("hit_rate@") ? "accuracy" + metric.substr(8) : metric);
}

std::string dataset_name(const Json& evaluation) {
  return std::filesystem::path(evaluation.value("dataset", "test")).stem().string();
}

bool is_metric(const std::string& key) { return key.find('@') != std::string::npos; }

std::string model_index(const Json& lineage, const Json& evaluation) {
  const Json* model = find_model(evaluation, "finetuned");
  if (!model) return "";
  const std::string dataset = yaml_text(dataset_name(evaluation));
  std::string yaml =
      str_cat("model-index:\n- name: ", yaml_text(lineage.value("run", "finetuned")),
              "\n  results:\n  - task:\n      type: information-retrieval\n      name: Information "
              "Retrieval\n    dataset:\n      name: ",
              dataset, "\n      type: ", dataset, "\n    metrics:\n");
  for (const auto& [key, value] : model->items())
    if (is_metric(key))
      yaml += str_cat("    - type: ", hub_name(key), "\n      value: ", value.dump(),
                      "\n      name: ", hub_name(key), "\n");
  return yaml;
}

std::string front_matter(const Json& lineage, const Json& evaluation) {
  const Json& card = lineage.at("card");
  std::string yaml =
      "---\nlibrary_name: sentence-transformers\npipeline_tag: sentence-similarity\ntags:\n"
      "- sentence-transformers\n- sentence-similarity\n- feature-extraction\n";
  yaml += str_cat("- dataset_size:", card.at("pairs").get<std::int64_t>(), "\n");
  for (const Json& loss : card.at("losses")) yaml += "- loss:" + loss.get<std::string>() + "\n";
  // A folder of this machine is nobody else's base model.
  if (card.at("base_is_named").get<bool>())
    yaml += "base_model: " + yaml_text(lineage.at("base").get<std::string>()) + "\n";
  return yaml + model_index(lineage, evaluation) + "---\n\n";
}

std::string measured(const Json& evaluation) {
  const Json *base = find_model(evaluation, "base"), *tuned = find_model(evaluation, "finetuned");
  if (!tuned)
    return "## Measured\n\nNot measured yet: the section `evaluate` of `attune run` does it.\n\n";
  std::string text = str_cat("## Measured\n\nOn ", tuned->at("queries").get<std::int64_t>(),
                             " questions of `", dataset_name(evaluation), "`");
  if (!base) {
    text += ":\n\n| metric | this model |\n|---|---|\n";
  } else {
    text +=
        "; the interval is a paired bootstrap over the questions, in points (hundredths):\n\n"
        "| metric | base | this model | points | 95 % interval |\n|---|---|---|---|---|\n";
  }
  for (const auto& [key, value] : tuned->items()) {
    if (!is_metric(key)) continue;
    if (!base) {
      text += "| " + key + " | " + four_digits(value.get<double>()) + " |\n";
      continue;
    }
    const Json gain = tuned->value("gain", Json::object()).value(key, Json());
    if (!gain.is_array() || gain.size() != 3) continue;  // of the others the front matter tells
    text += str_cat("| ", key, " | ", four_digits(base->at(key).get<double>()), " | ",
                    four_digits(value.get<double>()), " | ", points(gain[0].get<double>()), " | ",
                    points(gain[1].get<double>()), " to ", points(gain[2].get<double>()), " |\n");
  }
  return text + "\n";
}

std::string usage(const Json& card) {
  std::string prompts;
  for (const auto& [name, key] :
       {std::pair{"query", "query_prompt"}, {"document", "document_prompt"}})
    if (const auto prompt = card.at(key).get<std::string>(); !prompt.empty())
      prompts +=
          str_cat("Put before every ", name, " (stored with the model): ", code(prompt), ".\n");
  return "## Use\n\n```python\nfrom sentence_transformers import SentenceTransformer\n\n"
         "model = SentenceTransformer(\"PATH\")\n"
         "queries = model.encode_query([\"where is it kept?\"])\n"
         "passages = model.encode_document([\"It is kept in the hall.\"])\n"
         "print(model.similarity(queries, passages))\n```\n\n"
         "```cpp\n#include <attune/base_embedding.h>\n\n"
         "const auto model = attune::resolve_embed_model(\"local:PATH\");\n"
         "const std::vector<float> query = model->get_query_embedding(\"where is it kept?\");\n"
         "const std::vector<float> passage = model->get_text_embedding(\"It is kept in the "
         "hall.\");\n```\n\n" +
         prompts + (prompts.empty() ? "" : "\n");
}

std::string settings(const Json& card) {
  std::string text = "## Training settings\n\n";
  const Json& changed = card.at("changed");
  text += changed.empty() ? "All at their defaults.\n" : "Not at their defaults:\n\n```yaml\n";
  for (const auto& [key, value] : changed.items())
    text += key + ": " + value.get<std::string>() + "\n";
  return text + (changed.empty() ? "" : "```\n") +
         "\n<details><summary>All settings</summary>\n\n```yaml\n" +
         card.at("settings").get<std::string>() + "```\n\n</details>\n";
}

std::string marker(const Json& evaluation) {
  return "<!-- attune: measured " + sha256(evaluation.dump()).substr(0, 16) + " -->\n";
}

}  // namespace

Json card_facts(const EmbeddingModel& model, const FinetuneOptions& options,
                std::int64_t num_pairs) {
  const std::string& base = options.model.base;
  const std::string printed = print_config(options.train);
  Json losses = {options.train.loss.peer_name()};
  if (!options.train.loss.matryoshka.dims.empty()) losses.push_back("MatryoshkaLoss");
  Json changed = Json::object();
  for (const Setting& setting :
       settings_beyond(parse_printed_config(printed, "train"),
                       parse_printed_config(print_config(TrainConfig()), "defaults")))
    changed[setting.key] = setting.value;
  return {{"dimension", model.dimension()},
          {"max_length", model.max_length()},
          {"normalized", model.directory().normalize},
          {"query_prompt", model.prompt(Role::kQuery)},
          {"document_prompt", model.prompt(Role::kText)},
          {"base_is_named", is_hub_name(base)},
          {"pairs", num_pairs},
          {"losses", losses},
          {"changed", changed},
          {"settings", str_cat("seed: ", options.seed, "\n", printed)}};
}

std::string model_card(const Json& lineage, const Json& evaluation) {
  const Json& card = lineage.at("card");
  std::ostringstream text;
  text << front_matter(lineage, evaluation) << "# Embedding model finetuned with attune\n\n"
       << "Maps texts to " << card.at("dimension") << "-dimensional vectors ("
       << (card.at("normalized").get<bool>() ? "normalised, " : "") << "at most "
       << card.at("max_length") << " tokens), so that a question and the passage that answers it "
       << "are close. Base model: " << code(lineage.at("base").get<std::string>()) << ".\n\n"
       << measured(evaluation) << usage(card) << "## Data\n\nTrained on " << card.at("pairs")
       << " pairs of question and passage, in " << lineage.value("steps", std::int64_t{0})
       << " steps; the weights are those of step " << lineage.value("best_step", std::int64_t{0})
       << ". SHA-256 of the data is in `attune.json`.\n\n"
       << settings(card) << describe_parents(lineage.value("parents", Json::array())) << "\n"
       << marker(evaluation);
  return text.str();
}

void add_measurements(const std::string& artifact, const Json& evaluation) {
  const std::string sidecar = artifact + "/attune.json", path = artifact + "/README.md";
  if (!file_exists(sidecar)) return;
  const Json lineage = read_json_file(sidecar, std::size_t{64} << 20);
  if (!lineage.is_object() || !lineage.contains("card")) return;
  if (file_exists(path) && read_file(path).find(marker(evaluation)) != std::string::npos) return;
  try {
    write_file_durably(path, model_card(lineage, evaluation));
  } catch (const Json::exception& error) {
    throw_error(ErrorKind::kData, sidecar,
                ": \"card\" is not what a training writes: ", error.what(),
                "; train again, or take it out to keep the card that is there");
  }
}

}  // namespace attune
