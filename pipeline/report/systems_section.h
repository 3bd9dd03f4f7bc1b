// Every system that was measured, side by side: quality with what chance leaves of it, and cost.
#pragma once

#include <string>

#include "core/json.h"

namespace attune {

// `evaluation`: what report_json() gives (retrieval/report_table.h), perhaps from a file of another
// version: what is missing or of another type is left out. HTML; "" where it names no models.
std::string systems_section(const Json& evaluation);

}  // namespace attune
