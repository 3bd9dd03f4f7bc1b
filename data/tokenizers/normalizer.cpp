#include "data/tokenizers/normalizer.h"

#include <array>
#include <utility>
#include <vector>

#include "data/tokenizers/bert_normalizer.h"
#include "data/tokenizers/byte_level.h"
#include "data/tokenizers/json_place.h"
#include "data/tokenizers/precompiled_normalizer.h"
#include "data/tokenizers/text_normalizers.h"
#include "data/tokenizers/unicode_normalizer.h"

namespace attune {
namespace {

class NormalizerSequence final : public Normalizer {  // one after the other; none changes nothing
 public:
  explicit NormalizerSequence(std::vector<std::unique_ptr<Normalizer>> steps)
      : steps_(std::move(steps)) {}
  void normalize(std::string& text) const override {
    for (const auto& step : steps_) step->normalize(text);
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

std::unique_ptr<Normalizer> make_sequence(const JsonPlace& section) {
  std::vector<std::unique_ptr<Normalizer>> steps;
  const JsonPlace list = section.at("normalizers");
  for (std::size_t i = 0; i < list.array().size(); ++i) {
    steps.push_back(make_normalizer(list.element(i)));
  }
  return std::make_unique<NormalizerSequence>(std::move(steps));
}

class BertNormalizerStep final : public Normalizer {
 public:
  explicit BertNormalizerStep(const BertNormalizerRules& rules) : normalizer_(rules) {}
  void normalize(std::string& text) const override { text = normalizer_.normalize(text); }

 private:
  BertNormalizer normalizer_;
};

std::unique_ptr<Normalizer> make_bert(const JsonPlace& section) {
  return std::make_unique<BertNormalizerStep>(read_bert_normalizer(section));
}

std::unique_ptr<Normalizer> make_precompiled(const JsonPlace& section) {
  return std::make_unique<PrecompiledNormalizer>(section);
}

struct Kind {
  const char* type;
  std::unique_ptr<Normalizer> (*make)(const JsonPlace& section);
};
// Every normalizer there is.
constexpr std::array kKinds = {
    Kind{"Sequence", make_sequence},
    Kind{"BertNormalizer", make_bert},
    Kind{"Precompiled", make_precompiled},
    Kind{"NFC", make_nfc},
    Kind{"NFD", make_nfd},
    Kind{"NFKC", make_nfkc},
    Kind{"NFKD", make_nfkd},
    Kind{"Lowercase", make_lowercase},
    Kind{"StripAccents", make_strip_accents},
    Kind{"Strip", make_strip},
    Kind{"Replace", make_replace},
    Kind{"Prepend", make_prepend},
    Kind{"ByteLevel", make_byte_level_normalizer},
};

}  // namespace

std::unique_ptr<Normalizer> make_normalizer(const JsonPlace& section) {
  if (section.value().is_null()) {
    return std::make_unique<NormalizerSequence>(std::vector<std::unique_ptr<Normalizer>>());
  }
  const JsonPlace type = section.at("type");
  std::string known;
  for (const Kind& kind : kKinds) {
    if (type.text() == kind.type) return kind.make(section);
    known += str_cat(known.empty() ? "" : ", ", kind.type);
  }
  type.refuse(str_cat("one of the normalizers that attune knows: ", known));
}

}  // namespace attune
