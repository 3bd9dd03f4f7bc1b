#include "data/tokenizers/post_processor.h"

#include "data/tokenizers/json_place.h"

namespace attune {
namespace {

constexpr const char* kKnown =
    "TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel or Sequence";

// The ids around $A in the single-sequence template.
SpecialIds read_template(const JsonPlace& section) {
  SpecialIds ids;
  const JsonPlace single = section.at("single");
  const JsonPlace special_tokens = section.at("special_tokens");
  bool behind = false;
  for (std::size_t i = 0; i < single.array().size(); ++i) {
    const JsonPlace piece = single.element(i);
    if (piece.object().size() != 1) piece.refuse("one of SpecialToken and Sequence");
    if (piece.has("Sequence")) {
      const JsonPlace name = piece.at("Sequence").at("id");
      if (name.text() != "A" || behind) name.refuse("the sequence A, once");
      behind = true;
      continue;
    }
    const JsonPlace list =
        special_tokens.at(piece.at("SpecialToken").at("id").text().c_str()).at("ids");
    for (std::size_t j = 0; j < list.array().size(); ++j) {
      (behind ? ids.suffix : ids.prefix).push_back(list.element(j).id());
    }
  }
  if (!behind) single.refuse("a template with the sequence A");
  return ids;
}

std::int32_t read_token_and_id(const JsonPlace& pair) {
  if (pair.array().size() != 2) pair.refuse("a token and its id");
  pair.element(0).text();
  return pair.element(1).id();
}

// Each processor puts its tokens around what the one before it made.
SpecialIds read_sequence(const JsonPlace& list) {
  SpecialIds all;
  for (std::size_t i = 0; i < list.array().size(); ++i) {
    const SpecialIds outer = read_post_processor(list.element(i));
    all.prefix.insert(all.prefix.begin(), outer.prefix.begin(), outer.prefix.end());
    all.suffix.insert(all.suffix.end(), outer.suffix.begin(), outer.suffix.end());
  }
  return all;
}

}  // namespace

SpecialIds read_post_processor(const JsonPlace& section) {
  if (section.value().is_null()) return {};
  if (!section.value().is_object()) section.refuse(kKnown);
  const JsonPlace type = section.at("type");
  const std::string& name = type.text();
  if (name == "TemplateProcessing") return read_template(section);
  if (name == "BertProcessing" || name == "RobertaProcessing") {
    return {{read_token_and_id(section.at("cls"))}, {read_token_and_id(section.at("sep"))}};
  }
  if (name == "ByteLevel") return {};  // it moves offsets only
  if (name == "Sequence") return read_sequence(section.at("processors"));
  type.refuse(kKnown);
}

}  // namespace attune
