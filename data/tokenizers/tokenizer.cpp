#include "data/tokenizers/tokenizer.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/parallel.h"
#include "data/tokenizers/json_tokenizer.h"
#include "data/tokenizers/sentencepiece_files.h"
#include "data/tokenizers/wordpiece.h"
#include "data/tokenizers/wordpiece_files.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFileBytes = std::size_t{256} << 20;
constexpr std::int64_t kTextsPerPiece = 64;  // enough work for a thread, few enough to share evenly

void check_utf8(std::string_view text, const char* what) {
  const std::size_t bad = find_invalid_utf8(text);
  if (bad == std::string_view::npos) return;
  throw_error(ErrorKind::kData, what, " is not UTF-8: byte ", bad, " of ", text.size(),
              " does not belong to a character; convert it to UTF-8");
}

Json read_json_if_there(const std::string& path) {
  return file_exists(path) ? read_json_file(path, kMaxFileBytes) : Json(nullptr);
}

// BERT's kind; files of old have no type in their model section.
bool is_wordpiece(const Json& file) {
  if (!file.is_object() || !file.contains("model")) return true;  // its reader says what is wrong
  const Json& model = file.at("model");
  return !model.is_object() || !model.contains("type") || model.at("type") == "WordPiece";
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

std::size_t Tokenizer::room_for_text(int max_length, std::size_t special) {
  if (max_length < 0 || static_cast<std::size_t>(max_length) < special)
    throw_error(ErrorKind::kConfig, "max_length ", max_length, " has no room for the ", special,
                " special tokens of this tokenizer; give at least ", special + 1);
  return static_cast<std::size_t>(max_length) - special;
}

std::string_view Tokenizer::join_checked(std::string_view prompt, std::string_view text,
                                         std::string& joined) {
  check_utf8(prompt, "the prompt");
  check_utf8(text, "the text");
  if (prompt.empty()) return text;
  joined.reserve(prompt.size() + text.size());
  return joined.append(prompt).append(text);
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::string& model_directory) {
  const std::string path = (fs::path(model_directory) / "tokenizer.json").string();
  const std::string config = (fs::path(model_directory) / "tokenizer_config.json").string();
  if (file_exists(path)) {
    const Json file = read_json_file(path, kMaxFileBytes);
    if (is_wordpiece(file)) {
      return std::make_unique<BertWordPiece>(read_tokenizer_json(file, path), path);
    }
    return std::make_unique<JsonTokenizer>(
        file, path, truncation_side(file, path, read_json_if_there(config), config));
  }
  if (const std::string model = sentencepiece_file(model_directory); !model.empty()) {
    return load_sentencepiece(model, model_directory);
  }
  const std::string vocabulary = (fs::path(model_directory) / "vocab.txt").string();
  if (!file_exists(vocabulary)) {
    const std::string merges = (fs::path(model_directory) / "merges.txt").string();
    if (file_exists(merges)) {
      // Their normalizer, pattern and special tokens are in transformers' code, not in the files.
      throw_error(ErrorKind::kData, merges, ": a tokenizer of merges.txt and vocab.json is not ",
                  "read, because the files leave open how text is cut; make a tokenizer.json: in ",
                  "Python, AutoTokenizer.from_pretrained(\"", model_directory,
                  "\").save_pretrained(\"", model_directory, "\")");
    }
    throw_error(ErrorKind::kData, model_directory,
                ": found neither tokenizer.json, nor sentencepiece.bpe.model, spiece.model or ",
                "tokenizer.model, nor vocab.txt; a model directory has one of them");
  }
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
