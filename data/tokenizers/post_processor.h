// The last step of a tokenizer.json: the special tokens around a text. Every kind that is known
// comes down to ids before and ids behind it.
#pragma once

#include <cstdint>
#include <vector>

namespace attune {

class JsonPlace;  // json_place.h

struct SpecialIds {
  std::vector<std::int32_t> prefix;  // before every text
  std::vector<std::int32_t> suffix;  // behind it
};

// The section "post_processor": TemplateProcessing (its template for one sequence), BertProcessing,
// RobertaProcessing, ByteLevel (which adds nothing), and Sequence of these. Null adds nothing.
SpecialIds read_post_processor(const JsonPlace& section);

}  // namespace attune
