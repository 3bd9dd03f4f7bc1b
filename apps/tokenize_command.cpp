#include "apps/standard_output.h"
#include "apps/text_lines.h"
#include "apps/verbs.h"
#include "core/error.h"
#include "models/model_directory.h"

namespace attune {

void tokenize_command(const Arguments& arguments, const RunConfig&) {
  const std::vector<std::string> texts = read_texts(arguments.value("--input"));
  const ModelDirectory model = read_model_directory(resolve_model_path(arguments.value("--model")));
  const int max_length = arguments.number("--max-length", model.max_length, 1);
  if (max_length > model.max_length)
    throw_error(ErrorKind::kConfig, "--max-length ", max_length, ": the model's limit is ",
                model.max_length);
  const auto tokenizer = load_model_tokenizer(model);
  const TokenizedTexts tokenized = tokenizer->encode_batch("", views_of(texts), max_length);
  std::string out;
  for (std::int64_t text = 0; text < tokenized.num_texts(); ++text) {
    out += '[';
    for (const std::int32_t id : tokenized[text]) {
      if (out.back() != '[') out += ", ";
      out += std::to_string(id);
    }
    out += "]\n";
    if (out.size() > (std::size_t{1} << 20)) {
      write_stdout(out);
      out.clear();
    }
  }
  write_stdout(out);
}

}  // namespace attune
