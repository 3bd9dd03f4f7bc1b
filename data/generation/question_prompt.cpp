#include "data/generation/question_prompt.h"

#include <algorithm>
#include <string_view>

#include "core/error.h"
#include "core/file.h"

namespace attune {
namespace {

constexpr std::string_view kContext = "context_str";
constexpr std::string_view kCount = "num_questions_per_chunk";
constexpr std::size_t kMaxBytes = std::size_t{1} << 20;

const char* const kDefault =
    R"(The context is what stands between the two lines.

---------------------
{context_str}
---------------------

Use this context alone, and nothing that you know besides.

You are a teacher who prepares an examination. Write {num_questions_per_chunk} questions that the
context answers, as different from each other as it allows. Whoever reads a question does not see the
context: name what is meant, and never say "the text" or "the context". Write one question a line,
and nothing else.
)";

const char* const kSchema =
    R"({"type": "object", "properties": {"questions": {"type": "array", )"
    R"("items": {"type": "string"}}}, "required": ["questions"], "additionalProperties": false})";

[[noreturn]] void throw_at(std::string_view text, std::size_t offset, const std::string& place,
                           const std::string& message) {
  const std::string_view before = text.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t column = offset - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
  throw_error(ErrorKind::kData, place, ":", line, ":", column, ": ", message, "; a prompt holds {",
              kContext, "} and {", kCount, "}, and writes a brace itself as {{ or }}");
}

}  // namespace

QuestionPrompt::QuestionPrompt() : QuestionPrompt(from_text(kDefault, "attune's prompt")) {}

QuestionPrompt QuestionPrompt::from_file(const std::string& path) {
  return from_text(read_file(path, kMaxBytes), path);
}

QuestionPrompt QuestionPrompt::from_text(const std::string& text, const std::string& place) {
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string::npos)
    throw_at(text, bad, place, "not UTF-8");
  QuestionPrompt out{std::vector<Piece>{}};
  out.template_ = text;
  bool has_context = false, has_count = false;
  std::string literal;
  const auto add = [&](Piece::Kind kind) {
    if (!literal.empty()) out.pieces_.push_back({Piece::Kind::kText, literal});
    literal.clear();
    out.pieces_.push_back({kind});
  };
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c != '{' && c != '}') {
      literal += text[at++];
    } else if (at + 1 < text.size() && text[at + 1] == c) {
      literal += c;
      at += 2;
    } else {
      const std::size_t end = c == '{' ? text.find_first_of("{}\n", at + 1) : std::string::npos;
      if (end == std::string::npos || text[end] != '}') throw_at(text, at, place, "a single brace");
      const std::string name = text.substr(at + 1, end - at - 1);
      if (name != kContext && name != kCount)
        throw_at(text, at, place, "the placeholder {" + name + "} is unknown");
      (name == kContext ? has_context : has_count) = true;
      add(name == kContext ? Piece::Kind::kContext : Piece::Kind::kCount);
      at = end + 1;
    }
  }
  if (!has_context || !has_count)
    throw_at(text, text.size(), place,
             str_cat("{", has_context ? kCount : kContext, "} stands nowhere"));
  if (!literal.empty()) out.pieces_.push_back({Piece::Kind::kText, literal});
  return out;
}

std::string QuestionPrompt::render(const std::string& passage, int questions) const {
  std::string out;
  for (const Piece& piece : pieces_) {
    if (piece.kind == Piece::Kind::kText) out += piece.text;
    if (piece.kind == Piece::Kind::kContext) out += passage;
    if (piece.kind == Piece::Kind::kCount) out += std::to_string(questions);
  }
  return out;
}

const std::string& question_schema() {
  static const std::string schema = kSchema;
  return schema;
}

}  // namespace attune
