// The part of `attune doctor` that needs no torch.
#pragma once

#include <string>

#include "apps/doctor_report.h"

namespace attune {

// Processor, memory, driver, disk and durable writes below `output` (a folder that need not be
// there: then its nearest parent), model cache, pdftotext. Leaves no file behind.
void check_machine(const std::string& output, DoctorReport& report);

}  // namespace attune
