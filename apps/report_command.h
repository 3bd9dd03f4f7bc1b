// `attune report`: one run's page, or several compared. Answered by the small program: it reads
// files alone.
#pragma once

#include "apps/arguments.h"

namespace attune {

void report_command(const Arguments& arguments);

}  // namespace attune
