#include "data/tokenizers/token_model.h"

#include <array>

#include "data/tokenizers/bpe_model.h"
#include "data/tokenizers/json_place.h"
#include "data/tokenizers/unigram_model.h"
#include "data/tokenizers/word_level_model.h"

namespace attune {
namespace {

template <class Model>
std::unique_ptr<TokenModel> make(const JsonPlace& section) {
  return std::make_unique<Model>(section);
}

struct Kind {
  const char* type;
  std::unique_ptr<TokenModel> (*make)(const JsonPlace& section);
};
// Every model there is but WordPiece, which wordpiece.h does with all around it.
constexpr std::array kKinds = {
    Kind{"BPE", make<BpeModel>},
    Kind{"WordLevel", make<WordLevelModel>},
    Kind{"Unigram", make<UnigramModel>},
};

}  // namespace

std::unique_ptr<TokenModel> make_token_model(const JsonPlace& section) {
  const JsonPlace type = section.at("type");
  std::string known = "WordPiece";
  for (const Kind& kind : kKinds) {
    if (type.text() == kind.type) return kind.make(section);
    known += str_cat(", ", kind.type);
  }
  type.refuse(str_cat("one of the models that attune knows: ", known));
}

}  // namespace attune
