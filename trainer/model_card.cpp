#include "trainer/model_card.h"

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <sstream>
#include <string_view>

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

bool is_adapter(const Json& lineage) { return lineage.contains("adapter"); }

std::string base_of(const Json& lineage) {
  const Json& holder = is_adapter(lineage) ? lineage.at("adapter") : lineage;
  return holder.value("base", "a model of the caller's own");
}

std::string front_matter(const Json& lineage, const Json& evaluation) {
  const Json& card = lineage.at("card");
  std::string yaml =
      is_adapter(lineage)
          ? "---\npipeline_tag: sentence-similarity\ntags:\n- embedding-adapter\n"
            "- sentence-similarity\n"
          : "---\nlibrary_name: sentence-transformers\npipeline_tag: sentence-similarity\ntags:\n"
            "- sentence-transformers\n- sentence-similarity\n- feature-extraction\n";
  yaml += str_cat("- dataset_size:", card.at("pairs").get<std::int64_t>(), "\n");
  for (const Json& loss : card.at("losses")) yaml += "- loss:" + loss.get<std::string>() + "\n";
  // A folder of this machine is nobody else's base model.
  if (card.at("base_is_named").get<bool>())
    yaml += "base_model: " + yaml_text(base_of(lineage)) + "\n";
  return yaml + model_index(lineage, evaluation) + "---\n\n";
}

std::string measured(const Json& evaluation) {
  const Json *base = find_model(evaluation, "base"), *tuned = find_model(evaluation, "finetuned");
  if (!tuned)
    return "## Measured\n\nNot measured yet: the section `evaluate` of `attune run` does it.\n\n";
  std::string text = str_cat("## Measured\n\nOn ", tuned->at("queries").get<std::int64_t>(),
                             " questions of `", dataset_name(evaluation), "`");
  const int several = tuned->value("comparisons", 1);
  if (!base) {
    text += ":\n\n| metric | this model |\n|---|---|\n";
  } else {
    text +=
        "; the interval is a paired bootstrap over the questions, in points (hundredths)" +
        (several > 1 ? str_cat(", so wide that it holds for all ", several, " candidates at once")
                     : "") +
        ":\n\n"
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

// One line of a table, whatever stands in the text: it is shown and never obeyed.
std::string cell(const std::string& text) {
  constexpr std::size_t kMost = 160;  // code points
  std::string out;
  std::size_t points = 0;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xc0) != 0x80 && ++points > kMost) return out + " ...";
    if (static_cast<unsigned char>(c) < 0x20)
      out += ' ';
    else if (std::string_view("\\`*_{}[]()#+-!|<>~&$:@").find(c) != std::string_view::npos)
      out += str_cat("&#", static_cast<int>(c), ";");
    else
      out += c;
  }
  return out;
}

std::string examples(const Json& evaluation) {
  if (!evaluation.is_object() || !evaluation.contains("examples")) return "";
  std::string rows;
  for (const Json& example : evaluation.at("examples"))
    rows += str_cat("| ", cell(example.at("question").get<std::string>()), " | ",
                    cell(example.at("base").get<std::string>()), " | ",
                    cell(example.at("finetuned").get<std::string>()), " |\n");
  if (rows.empty()) return "";
  return "Questions of the test that this model answers first and the base does not, and the "
         "passage nearest to each (chosen to show the difference, so no measure of it):\n\n"
         "| question | base finds | this model finds |\n|---|---|---|\n" +
         rows + "\n";
}

// The prompts as HuggingFaceEmbedding takes them: LlamaIndex's adapter knows of none.
std::string instructions(const Json& card) {
  std::string text;
  for (const auto& [name, key] :
       {std::pair{"query_instruction", "query_prompt"}, {"text_instruction", "document_prompt"}})
    if (const auto prompt = card.at(key).get<std::string>(); !prompt.empty())
      text += str_cat(", ", name, "=", dump_json_like_python(Json(prompt), -1));
  return text;
}

std::string adapter_usage(const Json& lineage) {
  const Json& adapter = lineage.at("adapter");
  const std::string base = base_of(lineage), type = adapter.value("type", "");
  const bool both = adapter.value("sides", "query") == "both";
  std::string python;
  if (!both && (type == "linear" || type == "two_layer")) {
    const bool two = type == "two_layer";
    python =
        str_cat("```python\nfrom llama_index.embeddings.adapter import AdapterEmbeddingModel\n",
                two ? "from llama_index.embeddings.adapter.utils import TwoLayerNN\n" : "",
                "from llama_index.embeddings.huggingface import HuggingFaceEmbedding\n\nbase = "
                "HuggingFaceEmbedding(",
                dump_json_like_python(Json(base), -1), instructions(lineage.at("card")),
                ")\nmodel = AdapterEmbeddingModel(base, \"PATH\"", two ? ", TwoLayerNN" : "",
                ")\nquery = model.get_query_embedding(\"where is it kept?\")\n"
                "passage = model.get_text_embedding(\"It is kept in the hall.\")\n```\n\n");
  } else {
    python =
        "LlamaIndex has no such adapter. `attune export` makes it a sentence-transformers "
        "directory where its layers allow it.\n\n";
  }
  return python +
         "```cpp\n#include <attune/base_embedding.h>\n\n"
         "const auto model = attune::resolve_embed_model(\"local:PATH\");  // with its base\n"
         "const std::vector<float> query = model->get_query_embedding(\"where is it kept?\");\n"
         "```\n\n" +
         (both ? "It turns queries and passages: an index made with the base does not fit.\n\n"
               : "It turns queries alone: an index made with the base stays valid.\n\n");
}

std::string usage(const Json& lineage) {
  const Json& card = lineage.at("card");
  std::string prompts;
  for (const auto& [name, key] :
       {std::pair{"query", "query_prompt"}, {"document", "document_prompt"}})
    if (const auto prompt = card.at(key).get<std::string>(); !prompt.empty())
      prompts +=
          str_cat("Put before every ", name, " (stored with the model): ", code(prompt), ".\n");
  if (is_adapter(lineage))
    return "## Use\n\n" + adapter_usage(lineage) + prompts + (prompts.empty() ? "" : "\n");
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

std::string summary(const Json& lineage) {
  const Json& card = lineage.at("card");
  if (is_adapter(lineage))
    return str_cat(
        "# Embedding adapter trained with attune\n\nA small network behind the "
        "embedding model ",
        code(base_of(lineage)), ", which is not in this folder. It gives ",
        card.at("dimension").get<int>(),
        "-dimensional vectors, so that a question is close to the passage that answers "
        "it.\n\n");
  return str_cat("# Embedding model finetuned with attune\n\nMaps texts to ",
                 card.at("dimension").get<int>(), "-dimensional vectors (",
                 card.at("normalized").get<bool>() ? "normalised, " : "", "at most ",
                 card.at("max_length").get<int>(),
                 " tokens), so that a question and the passage that answers it are close. Base "
                 "model: ",
                 code(base_of(lineage)), ".\n\n");
}

Json training_facts(const FinetuneOptions& options, std::int64_t num_pairs) {
  const std::string& base = options.model.base;
  const std::string printed = print_config(options.train);
  Json losses = {options.train.loss.peer_name()};
  if (!options.train.loss.matryoshka.dims.empty()) losses.push_back("MatryoshkaLoss");
  Json changed = Json::object();
  for (const Setting& setting :
       settings_beyond(parse_printed_config(printed, "train"),
                       parse_printed_config(print_config(TrainConfig()), "defaults")))
    changed[setting.key] = setting.value;
  return {{"base_is_named", is_hub_name(base)},
          {"pairs", num_pairs},
          {"losses", losses},
          {"changed", changed},
          {"settings", str_cat("seed: ", options.seed, "\n", printed)}};
}

}  // namespace

Json card_facts(const EmbeddingModel& model, const FinetuneOptions& options,
                std::int64_t num_pairs) {
  Json facts = {{"dimension", model.dimension()},
                {"max_length", model.max_length()},
                {"normalized", model.directory().normalize},
                {"query_prompt", model.prompt(Role::kQuery)},
                {"document_prompt", model.prompt(Role::kText)}};
  facts.update(training_facts(options, num_pairs));
  return facts;
}

Json adapter_card_facts(const BaseEmbedding& embedding, const FinetuneOptions& options,
                        std::int64_t num_pairs) {
  const bool given = options.model.prompts.given;
  Json facts = {{"dimension", embedding.dimension()},
                {"query_prompt", given ? options.model.prompts.query_text() : ""},
                {"document_prompt", given ? options.model.prompts.document_text() : ""}};
  facts.update(training_facts(options, num_pairs));
  return facts;
}

std::string model_card(const Json& lineage, const Json& evaluation) {
  const Json& card = lineage.at("card");
  std::ostringstream text;
  text << front_matter(lineage, evaluation) << summary(lineage) << measured(evaluation)
       << examples(evaluation) << usage(lineage) << "## Data\n\nTrained on " << card.at("pairs")
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
