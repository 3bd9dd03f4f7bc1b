// The prompt that asks for questions about one passage, with LlamaIndex's placeholders:
// {context_str} is the passage, {num_questions_per_chunk} how many questions. As in Python's
// str.format, which LlamaIndex uses, a brace itself is written {{ or }}; so its templates work here
// as they are.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace attune {

class QuestionPrompt {
 public:
  QuestionPrompt();  // attune's own: after LlamaIndex's, told to stand without the passage
  // Error{kData} with file, line and column: another placeholder, a single brace, or one of the
  // two placeholders missing.
  static QuestionPrompt from_file(const std::string& path);
  static QuestionPrompt from_text(const std::string& text, const std::string& place);

  // Placeholders inside the passage stay what they are.
  std::string render(const std::string& passage, int questions) const;
  const std::string& text() const { return template_; }

 private:
  struct Piece {
    enum class Kind : std::uint8_t { kText, kContext, kCount } kind;
    std::string text = {};
  };
  explicit QuestionPrompt(std::vector<Piece> pieces) : pieces_(std::move(pieces)) {}
  std::string template_;
  std::vector<Piece> pieces_;
};

// What structured answers follow: {"questions": [string, ...]}.
const std::string& question_schema();

}  // namespace attune
