#include "data/tokenizers/sentencepiece_model.h"

#include <sentencepiece_model.pb.h>
#include <sentencepiece_processor.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/file.h"
#include "data/tokenizers/charsmap.h"
#include "data/tokenizers/quote.h"

namespace attune {
namespace {

using Piece = sentencepiece::ModelProto::SentencePiece;

constexpr int kMaxPieces = 1 << 24;           // far above any vocabulary
constexpr std::size_t kMaxPieceBytes = 2048;  // the library resegments unused pieces recursively
constexpr std::size_t kMaxNested = 64;        // kResultSize of its PrefixMatcher
constexpr float kMaxScore = 1e12F;            // sums over a text of kMaxText stay numbers

constexpr const char* kAgain = "; get this file again from where the model came from";

const char* name_of(sentencepiece::TrainerSpec::ModelType type) {
  switch (type) {
    case sentencepiece::TrainerSpec::WORD:
      return "word";
    case sentencepiece::TrainerSpec::CHAR:
      return "char";
    default:
      return "unknown";
  }
}

void check_pieces(const sentencepiece::ModelProto& model, const std::string& place) {
  const int size = model.pieces_size();
  if (size == 0) {
    throw_error(ErrorKind::kData, place, ": found no pieces, expected a .model of sentencepiece",
                kAgain);
  }
  if (size > kMaxPieces) {
    throw_error(ErrorKind::kData, place, ": found ", size, " pieces, expected at most ",
                kMaxPieces);
  }
  std::unordered_map<std::string_view, int> ids;
  for (int id = 0; id < size; ++id) {
    const Piece& piece = model.pieces(id);
    const std::string& text = piece.piece();
    const auto refuse = [&](const auto&... what) {
      throw_error(ErrorKind::kData, place, ": piece ", id, ", ", quote(text), ", ", what...,
                  kAgain);
    };
    if (text.empty()) refuse("is empty");
    if (text.size() > kMaxPieceBytes) {
      refuse("has ", text.size(), " bytes; expected at most ", kMaxPieceBytes);
    }
    if (find_invalid_utf8(text) != std::string::npos) refuse("is not UTF-8");
    if (text.find('\0') != std::string::npos) refuse("has a zero byte");
    if (!(std::abs(piece.score()) <= kMaxScore)) {  // nor is NaN
      refuse("has the score ", piece.score(), "; expected a number between -1e12 and 1e12");
    }
    if (const auto [found, added] = ids.emplace(text, id); !added) {
      refuse("is piece ", found->second, " too");
    }
  }
}

// A user-defined piece in a text is found by the library with room for kMaxNested prefixes of it.
void check_nesting(const sentencepiece::ModelProto& model, const std::string& place) {
  std::vector<std::string_view> defined;
  for (const Piece& piece : model.pieces()) {
    if (piece.type() == Piece::USER_DEFINED) defined.push_back(piece.piece());
  }
  std::sort(defined.begin(), defined.end());
  std::vector<std::string_view> nested;  // each one starts with the one before
  for (const std::string_view piece : defined) {
    while (!nested.empty() && !piece.starts_with(nested.back())) nested.pop_back();
    nested.push_back(piece);
    if (nested.size() > kMaxNested) {
      throw_error(ErrorKind::kData, place, ": more than ", kMaxNested,
                  " user-defined pieces start with each other, up to ", quote(piece),
                  "; sentencepiece has room for that many");
    }
  }
}

void check(const sentencepiece::ModelProto& model, const std::string& place) {
  if (!model.has_trainer_spec() || !model.has_normalizer_spec()) {  // they stand behind the pieces
    throw_error(ErrorKind::kData, place, ": found ", model.pieces_size(),
                " pieces and no description of the model behind them; the file is not whole",
                kAgain);
  }
  const auto type = model.trainer_spec().model_type();
  if (type != sentencepiece::TrainerSpec::UNIGRAM && type != sentencepiece::TrainerSpec::BPE) {
    throw_error(ErrorKind::kData, place, ": found a model of kind ", name_of(type),
                ", expected unigram or bpe");
  }
  check_pieces(model, place);
  check_nesting(model, place);
  if (const std::string& charsmap = model.normalizer_spec().precompiled_charsmap();
      !charsmap.empty()) {
    Charsmap(charsmap, place);  // throws
  }
}

}  // namespace

struct SentencePieceModel::Library {
  sentencepiece::SentencePieceProcessor processor;
  const sentencepiece::ModelProto* model = nullptr;  // the processor's
  std::int32_t unknown_id = 0;
  std::unordered_map<std::string_view, std::int32_t> ids;
};

SentencePieceModel::SentencePieceModel(std::string_view bytes, const std::string& place)
    : library_(std::make_unique<Library>()) {
  auto model = std::make_unique<sentencepiece::ModelProto>();
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !model->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    throw_error(ErrorKind::kData, place, ": ", bytes.size(),
                " bytes are not a .model of sentencepiece, or not a whole one", kAgain);
  }
  check(*model, place);
  model->clear_self_test_data();  // a test of the library's, not ours to run
  model->clear_denormalizer_spec();
  library_->model = model.get();
  sentencepiece::SetMinLogLevel(3);  // no log of its own; what is wrong comes as a status
  sentencepiece::util::Status status;
  try {
    status = library_->processor.Load(std::move(model));
  } catch (const std::exception& error) {  // of its tries
    throw_error(ErrorKind::kData, place, ": sentencepiece refuses it: ", error.what(), kAgain);
  }
  if (!status.ok()) {
    throw_error(ErrorKind::kData, place, ": sentencepiece refuses it: ", status.error_message(),
                kAgain);
  }
  for (std::int32_t id = 0; id < size(); ++id) {
    library_->ids.emplace(piece(id), id);
    if (kind(id) == PieceKind::kUnknown) library_->unknown_id = id;  // the library saw that one is
  }
}

SentencePieceModel::~SentencePieceModel() = default;
SentencePieceModel::SentencePieceModel(SentencePieceModel&&) noexcept = default;
SentencePieceModel& SentencePieceModel::operator=(SentencePieceModel&&) noexcept = default;

std::int32_t SentencePieceModel::size() const { return library_->model->pieces_size(); }

const std::string& SentencePieceModel::piece(std::int32_t id) const {
  ATTUNE_ASSERT(id >= 0 && id < size());
  return library_->model->pieces(id).piece();
}

SentencePieceModel::PieceKind SentencePieceModel::kind(std::int32_t id) const {
  ATTUNE_ASSERT(id >= 0 && id < size());
  switch (library_->model->pieces(id).type()) {
    case Piece::UNKNOWN:
      return PieceKind::kUnknown;
    case Piece::CONTROL:
      return PieceKind::kControl;
    case Piece::USER_DEFINED:
      return PieceKind::kUserDefined;
    case Piece::UNUSED:
      return PieceKind::kUnused;
    case Piece::BYTE:
      return PieceKind::kByte;
    default:
      return PieceKind::kNormal;
  }
}

std::int32_t SentencePieceModel::unknown_id() const { return library_->unknown_id; }

std::int32_t SentencePieceModel::find(std::string_view piece) const {
  const auto found = library_->ids.find(piece);
  return found == library_->ids.end() ? -1 : found->second;
}

void SentencePieceModel::append(std::string_view text, std::vector<int>& out) const {
  if (text.size() > kMaxText) {
    throw_error(ErrorKind::kData, "a text of ", text.size(), " bytes; sentencepiece takes at most ",
                kMaxText, " at once: cut it into passages");
  }
  std::vector<int> ids;
  const auto status = library_->processor.Encode(text, &ids);
  if (!status.ok()) {
    throw_error(ErrorKind::kData, "sentencepiece cannot cut this text of ", text.size(),
                " bytes: ", status.error_message());
  }
  out.insert(out.end(), ids.begin(), ids.end());
}

}  // namespace attune
