// The verbs that libattune answers: one file each, those of `attune data` but for `mine` in one.
// Results go to stdout; errors are thrown. The configuration is the one that the command names,
// read by the program; other commands ignore it.
#pragma once

#include "apps/arguments.h"
#include "apps/doctor_report.h"
#include "pipeline/run_config.h"
#include "pipeline/sweep_plan.h"

namespace attune {

void alias_set_command(const Arguments& arguments, const RunConfig& config);
void data_check_command(const Arguments& arguments, const RunConfig& config);
void data_convert_command(const Arguments& arguments, const RunConfig& config);
void data_head_command(const Arguments& arguments, const RunConfig& config);
void data_mine_command(const Arguments& arguments, const RunConfig& config);
void data_split_command(const Arguments& arguments, const RunConfig& config);
void data_stats_command(const Arguments& arguments, const RunConfig& config);
int doctor_command(const Arguments& arguments, DoctorReport report);  // the exit code
void embed_command(const Arguments& arguments, const RunConfig& config);
void evaluate_command(const Arguments& arguments, const RunConfig& config);
void export_command(const Arguments& arguments, const RunConfig& config);
void generate_command(const Arguments& arguments, const RunConfig& config);
void index_add_command(const Arguments& arguments, const RunConfig& config);
void index_build_command(const Arguments& arguments, const RunConfig& config);
void index_search_command(const Arguments& arguments, const RunConfig& config);
void index_verify_command(const Arguments& arguments, const RunConfig& config);
void inspect_command(const Arguments& arguments, const RunConfig& config);
void run_command(const Arguments& arguments, const RunConfig& config);
void sweep_command(const Arguments& arguments, const SweepPlan& plan);
void tokenize_command(const Arguments& arguments, const RunConfig& config);
void train_command(const Arguments& arguments, const RunConfig& config);

// `attune data mine`.
void mine_command(const Arguments& arguments);

// `--dry-run` of the two that train.
void tell_dry_run(const Arguments& arguments, const RunConfig& config, bool whole_run);

}  // namespace attune
