#include "apps/standard_output.h"
#include "apps/verbs.h"
#include "core/error.h"
#include "core/json.h"
#include "models/adapter_directory.h"
#include "models/adapter_export.h"
#include "models/model_directory.h"

namespace attune {

void export_command(const Arguments& arguments, const RunConfig&) {
  const std::string directory = resolve_model_path(arguments.positionals()[0]);
  if (!is_adapter_directory(directory))
    throw_error(ErrorKind::kConfig, directory,
                ": is no adapter; a whole model is a Sentence Transformers directory already");
  EmbedOptions options;
  options.base = arguments.value("--base");
  options.device = "cpu";
  const std::string output = arguments.value("--output");
  const ExportedAdapter exported = export_adapter(directory, options, output);
  const Json answer = {{"status", "succeeded"},
                       {"output", output},
                       {"layout", exported.layout},
                       {"sentence_transformers", exported.oldest_release}};
  write_stdout(arguments.has("--json")
                   ? answer.dump() + "\n"
                   : str_cat(output, ": ", exported.layout, "; SentenceTransformer(\"", output,
                             "\") of sentence-transformers ", exported.oldest_release,
                             " or later, encode_query() and encode_document()\n"));
}

}  // namespace attune
