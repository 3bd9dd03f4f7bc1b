// How reports write numbers: the one place.
#pragma once

#include <cstdint>
#include <string>

#include "retrieval/bootstrap.h"

namespace attune {

std::string metric_text(double value);               // 0.66042 -> "0.660"
std::string points_text(double fraction);            // 0.0267 -> "+2.7", with a real minus sign
std::string interval_text(const PairedDifference&);  // "+1.0 to +4.4"
std::string count_text(std::int64_t count);          // 13099 -> "13,099"
std::string percent_text(double share);              // 0.123 -> "12 %"; below 10 % "3.4 %"
std::string plain_text(double value);  // at most four significant digits: "0.000123", "2e-05"
std::string coordinate(double value);  // one decimal, for SVG; not finite: "0"

// "1 question", "345 questions"
std::string counted(std::int64_t count, const std::string& noun);

}  // namespace attune
