// A .model file of sentencepiece (unigram, or BPE with or without byte fallback), cut into pieces
// by the sentencepiece library itself. The one class that sees the library (docs/build.md, hazard
// 2).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

class SentencePieceModel {  // immutable and thread-safe
 public:
  enum class PieceKind { kNormal, kUnknown, kControl, kUserDefined, kUnused, kByte };

  // `bytes` are the file's, `place` is its path. The library trusts its input; so what it does not
  // look at is looked at here, and is an Error{kData}: other kinds of model, pieces that are empty,
  // too long, not UTF-8 or there twice, scores that are not numbers, no unknown piece or several,
  // byte pieces that are missing, damaged charsmaps (charsmap.h), more user-defined pieces that
  // start with each other than it has room for.
  SentencePieceModel(std::string_view bytes, const std::string& place);
  ~SentencePieceModel();
  SentencePieceModel(SentencePieceModel&&) noexcept;
  SentencePieceModel& operator=(SentencePieceModel&&) noexcept;

  std::int32_t size() const;  // pieces; their ids are 0 to size() - 1
  const std::string& piece(std::int32_t id) const;
  PieceKind kind(std::int32_t id) const;
  std::int32_t unknown_id() const;
  std::int32_t find(std::string_view piece) const;  // of any kind; -1: not there

  // Appends the ids of a text (UTF-8, at most kMaxText bytes: the library's memory is up to 30
  // bytes for each), normalised by the model's own rules: SentencePieceProcessor.encode of Python.
  void append(std::string_view text, std::vector<int>& out) const;
  static constexpr std::size_t kMaxText = std::size_t{64} << 20;

 private:
  struct Library;
  std::unique_ptr<Library> library_;
};

}  // namespace attune
