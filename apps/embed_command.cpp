#include <algorithm>
#include <bit>
#include <chrono>
#include <filesystem>
#include <functional>
#include <span>

#include <attune/base_embedding.h>

#include "apps/standard_output.h"
#include "apps/text_lines.h"
#include "apps/verbs.h"
#include "core/durable.h"
#include "core/duration.h"
#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "core/progress.h"

namespace attune {
namespace {

// The beginning of NumPy's format 1.0 for a C-ordered little-endian float32 matrix: magic, version,
// length of the header, the header padded with spaces so that the data begin at a multiple of 64
// bytes. Source: numpy/lib/format.py, "Format Version 1.0".
std::string npy_header(std::size_t rows, std::size_t columns) {
  static_assert(std::endian::native == std::endian::little);
  std::string header =
      str_cat("{'descr': '<f4', 'fortran_order': False, 'shape': (", rows, ", ", columns, "), }");
  constexpr std::size_t kPrefix = 10;
  header.append(63 - (kPrefix + header.size()) % 64, ' ');
  header += '\n';
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(header.size() & 0xff);
  bytes += static_cast<char>(header.size() >> 8);
  return bytes + header;
}

// Texts embedded before their vectors are written and progress is told: enough to sort by length,
// and all of the vectors that are ever in memory.
constexpr std::size_t kTextsAtATime = 8192;

Role parse_role(const std::string& name) {
  if (name == "text") return Role::kText;
  if (name == "query") return Role::kQuery;
  throw_error(ErrorKind::kConfig, "--role '", name, "' is not known: expected text or query");
}

// What exists and is no file (a device, a pipe, a folder) must not be replaced by one, nor the
// texts themselves by their vectors.
void require_replaceable(const std::string& path, const std::string& input) {
  std::error_code ignored;
  if (std::filesystem::equivalent(path, input, ignored))
    throw_error(ErrorKind::kConfig, path, ": --output is the file of --input; give another name");
  const auto status = std::filesystem::status(path, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
    throw_error(ErrorKind::kResources, path,
                ": exists and is no regular file; give another --output");
}

}  // namespace

void embed_command(const Arguments& arguments, const RunConfig&) {
  const Role role = parse_role(arguments.value("--role", "text"));
  EmbedOptions options;
  options.base = arguments.value("--base", "");
  options.precision = arguments.value("--precision", options.precision);
  options.device = arguments.value("--device", options.device);
  options.max_length = arguments.number("--max-length", 0, 1);
  options.batch_tokens = arguments.number("--batch-tokens", 0, 1);
  const std::string output = arguments.value("--output");
  const std::string input = arguments.value("--input");
  require_replaceable(output, input);
  const std::vector<std::string> texts = read_texts(input);
  const std::vector<std::string_view> views = views_of(texts);
  const auto model = resolve_embed_model(arguments.value("--model"), options);
  double seconds = 0;
  write_file_durably(output, [&](const std::function<void(std::string_view)>& write) {
    write(npy_header(texts.size(), static_cast<std::size_t>(model->dimension())));
    Progress progress("embedding", std::ssize(texts));
    for (std::size_t done = 0; done < views.size(); done += kTextsAtATime) {
      const auto block =
          std::span(views).subspan(done, std::min(kTextsAtATime, views.size() - done));
      const auto start = std::chrono::steady_clock::now();
      const std::vector<float> vectors = role == Role::kQuery
                                             ? model->get_query_embedding_batch(block)
                                             : model->get_text_embedding_batch(block);
      seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      write({reinterpret_cast<const char*>(vectors.data()), vectors.size() * sizeof(float)});
      progress.update(static_cast<std::int64_t>(done + block.size()));
    }
  });
  log_info(str_cat(texts.size(), " texts embedded in ", duration_text(seconds), ", ", output));
  if (!arguments.has("--json")) return;
  Json answer;
  answer["status"] = "succeeded";
  answer["output"] = output;
  answer["texts"] = texts.size();
  answer["dimension"] = model->dimension();
  answer["seconds"] = seconds;  // tokenizing and the model; without loading and writing
  write_stdout(answer.dump() + "\n");
}

}  // namespace attune
