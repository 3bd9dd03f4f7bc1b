// `attune man`: attune(1) in the man macros of roff, made of the command table.
#pragma once

#include <string>

namespace attune {

std::string manual_page(const std::string& version);

}  // namespace attune
