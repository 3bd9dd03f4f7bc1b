#include "apps/doctor_report.h"

#include <algorithm>

#include "apps/standard_output.h"
#include "core/error.h"
#include "core/log.h"

namespace attune {

void DoctorReport::fine(const std::string& name, const std::string& found) {
  lines_.push_back({name, "fine", found, ""});
}

void DoctorReport::lacks(const std::string& name, const std::string& found,
                         const std::string& remedy) {
  lines_.push_back({name, "lacks", found, remedy});
}

void DoctorReport::failed(const std::string& name, const std::string& found,
                          const std::string& remedy) {
  lines_.push_back({name, "failed", found, remedy});
}

bool DoctorReport::is_healthy() const {
  return std::none_of(lines_.begin(), lines_.end(),
                      [](const Line& line) { return line.status == "failed"; });
}

bool DoctorReport::is_fine(const std::string& name) const {
  return std::any_of(lines_.begin(), lines_.end(),
                     [&](const Line& line) { return line.name == name && line.status == "fine"; });
}

std::string DoctorReport::text() const {
  std::size_t width = 0;
  for (const Line& line : lines_) width = std::max(width, line.name.size());
  std::string text;
  for (const Line& line : lines_) {
    const std::string mark(8 - line.status.size(), ' ');
    text += line.status + mark + line.name + std::string(width + 2 - line.name.size(), ' ') +
            line.found + "\n";
    if (!line.remedy.empty()) text += std::string(width + 10, ' ') + "-> " + line.remedy + "\n";
  }
  return text;
}

Json DoctorReport::json() const {
  Json checks = Json::array();
  for (const Line& line : lines_) {
    Json check = {{"name", line.name}, {"status", line.status}, {"found", line.found}};
    if (!line.remedy.empty()) check["remedy"] = line.remedy;
    checks.push_back(std::move(check));
  }
  return {{"status", is_healthy() ? "fine" : "failed"}, {"checks", std::move(checks)}};
}

int tell_report(const DoctorReport& report, bool json) {
  write_stdout(json ? report.json().dump() + "\n" : report.text());
  if (report.is_healthy()) return 0;
  log_error("something failed: each 'failed' above has what to do below it");
  return static_cast<int>(ErrorKind::kResources);
}

}  // namespace attune
