#include "data/tokenizers/pre_tokenizer.h"

#include <array>
#include <utility>
#include <vector>

#include "data/tokenizers/bert_normalizer.h"
#include "data/tokenizers/byte_level.h"
#include "data/tokenizers/json_place.h"
#include "data/tokenizers/metaspace.h"
#include "data/tokenizers/split_pre_tokenizer.h"

namespace attune {
namespace {

// One cuts what the other gave; none passes the text on.
class PreTokenizerSequence final : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<PreTokenizer>> steps)
      : steps_(std::move(steps)) {}
  bool split(std::string_view text, bool at_start, PieceSink& out) const override {
    return from(0, text, at_start, out);
  }

 private:
  class Next final : public PieceSink {
   public:
    Next(const PreTokenizerSequence& sequence, std::size_t step, PieceSink& out)
        : sequence_(sequence), step_(step), out_(out) {}
    bool take(std::string_view text, bool at_start) override {
      return sequence_.from(step_, text, at_start, out_);
    }

   private:
    const PreTokenizerSequence& sequence_;
    std::size_t step_;
    PieceSink& out_;
  };
  bool from(std::size_t step, std::string_view text, bool at_start, PieceSink& out) const {
    if (step == steps_.size()) return out.take(text, at_start);
    if (step + 1 == steps_.size()) return steps_[step]->split(text, at_start, out);
    Next next(*this, step + 1, out);
    return steps_[step]->split(text, at_start, next);
  }

  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

std::unique_ptr<PreTokenizer> make_sequence(const JsonPlace& section) {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  const JsonPlace list = section.at("pretokenizers");
  for (std::size_t i = 0; i < list.array().size(); ++i) {
    steps.push_back(make_pre_tokenizer(list.element(i)));
  }
  return std::make_unique<PreTokenizerSequence>(std::move(steps));
}

class BertPreTokenizer final : public PreTokenizer {
 public:
  bool split(std::string_view text, bool at_start, PieceSink& out) const override {
    BertWords words(text);
    for (std::string_view word; words.next(word);) {
      if (!out.take(word, at_start && word.data() == text.data())) return false;
    }
    return true;
  }
};

std::unique_ptr<PreTokenizer> make_bert(const JsonPlace&) {
  return std::make_unique<BertPreTokenizer>();
}

struct Kind {
  const char* type;
  std::unique_ptr<PreTokenizer> (*make)(const JsonPlace& section);
};
// Every pre-tokenizer there is.
constexpr std::array kKinds = {
    Kind{"Sequence", make_sequence},
    Kind{"BertPreTokenizer", make_bert},
    Kind{"ByteLevel", make_byte_level},
    Kind{"Metaspace", make_metaspace},
    Kind{"Split", make_split},
    Kind{"Whitespace", make_whitespace},
    Kind{"WhitespaceSplit", make_whitespace_split},
    Kind{"Punctuation", make_punctuation},
    Kind{"Digits", make_digits},
    Kind{"CharDelimiterSplit", make_char_delimiter_split},
};

}  // namespace

std::unique_ptr<PreTokenizer> make_pre_tokenizer(const JsonPlace& section) {
  if (section.value().is_null()) {
    return std::make_unique<PreTokenizerSequence>(std::vector<std::unique_ptr<PreTokenizer>>());
  }
  const JsonPlace type = section.at("type");
  std::string known;
  for (const Kind& kind : kKinds) {
    if (type.text() == kind.type) return kind.make(section);
    known += str_cat(known.empty() ? "" : ", ", kind.type);
  }
  type.refuse(str_cat("one of the pre-tokenizers that attune knows: ", known));
}

}  // namespace attune
