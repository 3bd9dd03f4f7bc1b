// What `attune doctor` found, line by line, each failure with its remedy.
#pragma once

#include <string>
#include <vector>

#include "core/json.h"

namespace attune {

class DoctorReport {
 public:
  void fine(const std::string& name, const std::string& found);
  // Works, but something cannot be done: `remedy` says what, and how to change it.
  void lacks(const std::string& name, const std::string& found, const std::string& remedy);
  void failed(const std::string& name, const std::string& found, const std::string& remedy);

  bool is_healthy() const;                      // no failure
  bool is_fine(const std::string& name) const;  // whether that line is there, and fine
  std::string text() const;
  Json json() const;  // {"status": "fine" or "failed", "checks": [{"name", "status", ...}]}

 private:
  struct Line {
    std::string name, status, found, remedy;
  };
  std::vector<Line> lines_;
};

// Writes it to stdout. The exit code: 4 where something failed.
int tell_report(const DoctorReport& report, bool json);

}  // namespace attune
