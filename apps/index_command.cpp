#include <cstdio>
#include <filesystem>
#include <memory>

#include <attune/vector_store_index.h>

#include "apps/standard_output.h"
#include "apps/stop_signal.h"
#include "apps/text_lines.h"
#include "apps/verbs.h"
#include "core/error.h"
#include "core/json.h"
#include "retrieval/index/index_storage.h"
#include "retrieval/index/node_lines.h"

namespace attune {
namespace {

// How a model is named so that it is found from another folder, too.
std::string lasting_name(const std::string& model) {
  if (model.empty()) return model;
  std::error_code ignored;
  if (!std::filesystem::is_directory(model, ignored)) return model;
  return std::filesystem::absolute(model, ignored).lexically_normal().string();
}

struct NamedModel {
  std::shared_ptr<const BaseEmbedding> model;
  IndexOptions options;  // its name
};

// Of the command line, and where that names none, the one that the index was made with.
NamedModel load_model(const Arguments& arguments, const IndexSpace* made_with) {
  NamedModel named;
  EmbedOptions options;
  options.precision = arguments.value("--precision", options.precision);
  options.device = arguments.value("--device", options.device);
  options.batch_tokens = arguments.number("--batch-tokens", 0, 1);
  named.options.model = arguments.value("--model");
  named.options.base = arguments.value("--base");
  named.options.max_length = arguments.number("--max-length", 0, 1);
  if (!arguments.has("--model") && made_with) {
    if (arguments.has("--base") || arguments.has("--max-length"))
      throw_error(ErrorKind::kConfig,
                  "--base and --max-length are of --model: give it, or leave them out to use the "
                  "index's model as it is");
    named.options.model = made_with->model;
    named.options.base = made_with->base;
    named.options.max_length = made_with->max_length;
  }
  options.base = named.options.base;
  options.max_length = named.options.max_length;
  try {
    named.model = resolve_embed_model(named.options.model, options);
  } catch (const Error& error) {
    if (arguments.has("--model")) throw;
    throw Error(error.kind(), str_cat(error.what(),
                                      " (the model that the index was made with; "
                                      "give its new place with --model)"));
  }
  named.options.model = lasting_name(named.options.model);
  named.options.base = lasting_name(named.options.base);
  named.options.stop_requested = [] { return stop_requested(); };
  return named;
}

void tell(const Arguments& arguments, const std::string& place, const IndexChanges& changes,
          const VectorStoreIndex& index) {
  const std::string shown = IndexStorage::at(place)->place();
  if (!arguments.has("--json")) {
    write_stdout(str_cat(shown, ": ", index.size(), " nodes; ", changes.added, " added, ",
                         changes.changed, " changed, ", changes.removed, " removed, ",
                         changes.unchanged, " as they were; ", changes.embedded,
                         " texts embedded\n"));
    return;
  }
  const Json answer = {{"status", "succeeded"},          {"index", shown},
                       {"nodes", index.size()},          {"added", changes.added},
                       {"changed", changes.changed},     {"removed", changes.removed},
                       {"unchanged", changes.unchanged}, {"embedded", changes.embedded}};
  write_stdout(answer.dump() + "\n");
}

// On one line, at most so many characters, and nothing that a terminal would obey: texts and ids
// come from documents.
std::string shortened(const std::string& text, std::size_t most) {
  std::string line;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (line.size() >= most && (c & 0xC0) != 0x80) return line + "...";
    // U+0000 to U+001F, U+007F, and as two bytes U+0080 to U+009F.
    const bool is_long_control =
        c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c < 0x20 || c == 0x7F || is_long_control)
      line += ' ';
    else
      line += text[i];
    i += is_long_control ? 1 : 0;
  }
  return line;
}

Json hit_json(const NodeWithScore& hit) {
  return {{"id", hit.node.id},
          {"score", hit.score},
          {"text", hit.node.text},
          {"metadata", parse_json(hit.node.metadata, "metadata")}};
}

std::vector<std::string> queries_of(const Arguments& arguments) {
  std::vector<std::string> queries(arguments.positionals().begin() + 1,
                                   arguments.positionals().end());
  if (queries.empty() != arguments.has("--input"))
    throw_error(ErrorKind::kConfig, "give queries, or --input FILE with one a line");
  return queries.empty() ? read_texts(arguments.value("--input")) : queries;
}

}  // namespace

void index_build_command(const Arguments& arguments, const RunConfig&) {
  const std::string& place = arguments.positionals()[0];
  std::vector<TextNode> nodes;
  if (arguments.has("--input")) {
    nodes = read_nodes(arguments.value("--input"));
  } else {
    nodes = IndexStorage::at(place)->nodes();
  }
  if (nodes.empty())
    throw_error(ErrorKind::kData, arguments.value("--input", IndexStorage::at(place)->place()),
                ": there is nothing in it to be indexed");
  install_stop_signals();
  NamedModel named = load_model(arguments, nullptr);
  named.options.approximate = arguments.has("--approximate");
  IndexChanges changes;
  const auto index =
      VectorStoreIndex::from_documents(nodes, named.model, place, named.options, &changes);
  tell(arguments, place, changes, index);
}

void index_add_command(const Arguments& arguments, const RunConfig&) {
  const std::string& place = arguments.positionals()[0];
  const std::vector<TextNode> nodes = read_nodes(arguments.value("--input"));
  const IndexSpace space = IndexStorage::at(place)->held().space;
  install_stop_signals();
  const NamedModel named = load_model(arguments, &space);
  auto index = VectorStoreIndex::load(place, named.model, named.options);
  const IndexChanges changes = index.refresh(nodes);
  tell(arguments, place, changes, index);
}

void index_search_command(const Arguments& arguments, const RunConfig&) {
  const std::string& place = arguments.positionals()[0];
  const std::vector<std::string> queries = queries_of(arguments);
  const int k = arguments.number("--k", 10, 1);
  const IndexSpace space = IndexStorage::at(place)->held().space;
  const NamedModel named = load_model(arguments, &space);
  const auto index = VectorStoreIndex::load(place, named.model, named.options);
  RetrieverOptions options;
  options.exact = arguments.has("--exact");
  options.device = arguments.value("--device", "auto");
  const std::vector<std::string_view> views(queries.begin(), queries.end());
  const auto found = index.as_retriever(k, options).retrieve_batch(views);
  for (std::size_t i = 0; i < queries.size(); ++i) {
    if (arguments.has("--json")) {
      Json line = {{"query", queries[i]}, {"hits", Json::array()}};
      for (const NodeWithScore& hit : found[i]) line["hits"].push_back(hit_json(hit));
      write_stdout(line.dump() + "\n");
      continue;
    }
    std::string text = queries.size() > 1 ? "query: " + shortened(queries[i], 100) + "\n" : "";
    for (const NodeWithScore& hit : found[i]) {
      char score[32];
      std::snprintf(score, sizeof score, "%.4f", hit.score);
      text += str_cat(score, "  ", shortened(hit.node.id, 100), "  ", shortened(hit.node.text, 100),
                      "\n");
    }
    write_stdout(text);
  }
}

void index_verify_command(const Arguments& arguments, const RunConfig&) {
  const std::string& place = arguments.positionals()[0];
  const auto storage = IndexStorage::at(place);
  storage->verify();
  const IndexStorage::Held held = storage->held();
  if (!arguments.has("--json")) {
    write_stdout(str_cat(storage->place(), ": sound; ", held.nodes, " nodes, ",
                         held.space.dimension, " numbers each, of '", held.space.model, "', ",
                         held.approximate ? "approximate" : "exact", " search\n"));
    return;
  }
  const Json answer = {{"status", "succeeded"},
                       {"index", storage->place()},
                       {"nodes", held.nodes},
                       {"dimension", held.space.dimension},
                       {"model", held.space.model},
                       {"document_space", held.space.document_space},
                       {"query_space", held.space.query_space},
                       {"approximate", held.approximate}};
  write_stdout(answer.dump() + "\n");
}

}  // namespace attune
