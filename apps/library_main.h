// The C entry of libattune. Both sides are built from the same sources.
#pragma once

#include "apps/doctor_report.h"
#include "pipeline/run_config.h"
#include "pipeline/sweep_plan.h"

namespace attune {

// What the program has read of the command's CONFIG, the defaults where it names none; what it has
// found of the machine.
struct ReadConfig {
  RunConfig config;
  SweepPlan sweep;
  DoctorReport doctor;
};

using LibraryMain = int (*)(int argc, char** argv, const ReadConfig* read);

}  // namespace attune

// As main(): argv[1] is a command of the table. Never throws.
extern "C" __attribute__((visibility("default"))) int attune_main(int argc, char** argv,
                                                                  const attune::ReadConfig* read);
