#include "models/encoders/config_fields.h"

#include <cstdint>

namespace attune {

void ConfigFields::refuse(const char* key, const std::string& expected) {
  mistakes_.push_back(str_cat("\"", key, "\" is ", json_[key].dump(), ", ", expected));
}

void ConfigFields::read_int(const char* key, int minimum, int maximum, int& value) {
  if (!has(key)) return;
  const Json& found = json_[key];
  if (!found.is_number_integer() || found.get<std::int64_t>() < minimum ||
      found.get<std::int64_t>() > maximum)
    return refuse(key, str_cat("expected an integer from ", minimum, " to ", maximum));
  value = found.get<int>();
}

void ConfigFields::read_number(const char* key, double below, double& value) {
  if (!has(key)) return;
  const Json& found = json_[key];
  if (!found.is_number() || !(found.get<double>() >= 0 && found.get<double>() < below))
    return refuse(key, str_cat("expected a number from 0 to below ", below));
  value = found.get<double>();
}

void ConfigFields::read_bool(const char* key, bool& value) {
  if (!has(key)) return;
  if (!json_[key].is_boolean()) return refuse(key, "expected true or false");
  value = json_[key].get<bool>();
}

void ConfigFields::read_choice(const char* key, std::initializer_list<const char*> known,
                               std::string& value) {
  read_choice(key, std::vector<const char*>(known), value);
}

void ConfigFields::read_choice(const char* key, const std::vector<const char*>& known,
                               std::string& value) {
  if (!has(key)) return;
  std::string names;
  for (const char* name : known) {
    if (json_[key] == name) {
      value = name;
      return;
    }
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  refuse(key, "supported: " + names);
}

void ConfigFields::only(const char* key, const char* supported) {
  if (has(key) && json_[key].dump() != supported) refuse(key, str_cat("supported: ", supported));
}

void ConfigFields::finish() const {
  if (mistakes_.empty()) return;
  if (mistakes_.size() == 1) throw_error(ErrorKind::kData, path_, ": ", mistakes_[0]);
  std::string all;
  for (const std::string& mistake : mistakes_) all += "\n  " + mistake;
  throw_error(ErrorKind::kData, path_, ": ", mistakes_.size(), " mistakes:", all);
}

}  // namespace attune
