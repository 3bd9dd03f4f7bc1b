// How texts are compared for repetition: without case, Unicode's compatibility forms and kinds of
// spaces, hyphens and quotes; one space for any white space, none at the ends. A text that is not
// UTF-8 is equal to itself alone.
#pragma once

#include <string>
#include <string_view>

namespace attune {

std::string folded_text(std::string_view text);

}  // namespace attune
