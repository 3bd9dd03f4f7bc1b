#include "data/tokenizers/tokenizer.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/parallel.h"
#include "data/tokenizers/wordpiece.h"
#include "data/tokenizers/wordpiece_files.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFileBytes = std::size_t{256} << 20;
constexpr std::int64_t kTextsPerPiece = 64;  // enough work for a thread, few enough to share evenly

Json read_json_if_there(const std::string& path) {
  return file_exists(path) ? read_json_file(path, kMaxFileBytes) : Json(nullptr);
}

}  // namespace

TokenizedTexts Tokenizer::encode_batch(std::string_view prompt,
                                       std::span<const std::string_view> texts, int max_length,
                                       int threads) const {
  const auto count = static_cast<std::int64_t>(texts.size());
  std::vector<TokenizedTexts> pieces(
      static_cast<std::size_t>((count + kTextsPerPiece - 1) / kTextsPerPiece));
  parallel_for(static_cast<std::int64_t>(pieces.size()), threads, 1,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t piece = begin; piece < end; ++piece) {
                   TokenizedTexts& out = pieces[static_cast<std::size_t>(piece)];
                   const std::int64_t last = std::min(count, (piece + 1) * kTextsPerPiece);
                   for (std::int64_t text = piece * kTextsPerPiece; text < last; ++text) {
                     try {
                       encode(prompt, texts[static_cast<std::size_t>(text)], max_length, out.ids);
                     } catch (const Error& error) {
                       if (error.kind() != ErrorKind::kData) throw;
                       throw Error(error.kind(),
                                   str_cat("text ", text, " (from 0): ", error.what()));
                     }
                     out.offsets.push_back(static_cast<std::int64_t>(out.ids.size()));
                   }
                 }
               });
  TokenizedTexts all;
  std::size_t num_ids = 0;
  for (const TokenizedTexts& piece : pieces) num_ids += piece.ids.size();
  all.ids.reserve(num_ids);
  all.offsets.reserve(texts.size() + 1);
  for (const TokenizedTexts& piece : pieces) {
    const auto base = static_cast<std::int64_t>(all.ids.size());
    all.ids.insert(all.ids.end(), piece.ids.begin(), piece.ids.end());
    for (std::size_t i = 1; i < piece.offsets.size(); ++i) {
      all.offsets.push_back(base + piece.offsets[i]);
    }
  }
  return all;
}

int Tokenizer::prompt_tokens(std::string_view prompt, int max_length) const {
  if (prompt.empty()) return 0;
  std::vector<std::int32_t> ids, none;
  encode(prompt, {}, max_length, ids);
  encode({}, {}, max_length, none);  // the special tokens alone: the closing ones end both
  std::size_t closing = 0;
  if (!none.empty() && none.back() == ids.back()) closing = 1;
  return static_cast<int>(ids.size() - closing);
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::string& model_directory) {
  const std::string path = (fs::path(model_directory) / "tokenizer.json").string();
  if (file_exists(path)) {
    return std::make_unique<BertWordPiece>(
        read_tokenizer_json(read_json_file(path, kMaxFileBytes), path), path);
  }
  const std::string vocabulary = (fs::path(model_directory) / "vocab.txt").string();
  if (!file_exists(vocabulary)) {
    throw_error(ErrorKind::kData, model_directory,
                ": found neither tokenizer.json nor vocab.txt; a model directory has one of them");
  }
  const std::string config = (fs::path(model_directory) / "tokenizer_config.json").string();
  const std::string map = (fs::path(model_directory) / "special_tokens_map.json").string();
  const std::string added = (fs::path(model_directory) / "added_tokens.json").string();
  if (file_exists(added)) {
    throw_error(ErrorKind::kData, added, ": tokens added to a vocab.txt are not read; save the ",
                "tokenizer with a tokenizer.json");
  }
  return std::make_unique<BertWordPiece>(
      read_vocabulary_txt(read_file(vocabulary, kMaxFileBytes), vocabulary,
                          read_json_if_there(config), config, read_json_if_there(map)),
      vocabulary);
}

}  // namespace attune
