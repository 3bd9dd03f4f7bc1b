// Why the finetuned model is not better, and what to try next: rules over what the run recorded,
// each with its evidence. A rule that lacks its evidence is silent.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/report/recorded_run.h"
#include "pipeline/report/verdict.h"

namespace attune {

struct Finding {
  enum class Rule : std::uint8_t {
    kNonfinite,           // steps whose loss or gradient was NaN or infinite
    kRateTooHigh,         // the loss turned up again after its lowest quarter
    kPromptMismatch,      // trained with other prompts than the base model stores
    kDuplicateNegatives,  // sampler default, and many rows share their answer
    kOverfitting,         // validation is worse at the end than at its best
    kTruncation,          // passages are longer than the model reads
    kTooFewPairs,         // fewer than 1,000, and not shown to be better
    kRateTooLow,          // the loss did not fall, and not shown to be better
    kFewQueries,          // unclear, though more questions could tell
    kNothingToGain,       // the base finds nearly everything already
    kPairsLeft,           // steps ended before every pair was used once
    kStillLearning,       // the best validation is the last
  } rule;
  std::string title;     // a sentence
  std::string evidence;  // numbers
  std::string advice;    // what to change
};

// The gravest first, in the order of the rules.
std::vector<Finding> diagnose(const RecordedRun& run, const Verdict& verdict);

}  // namespace attune
