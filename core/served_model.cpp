#include "core/served_model.h"

#include <algorithm>
#include <charconv>

#include "core/error.h"

namespace attune {
namespace {

constexpr std::string_view kNameOfVariable = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

std::string list_of(std::span<const std::string_view> names) {
  std::string out;
  for (const std::string_view name : names) out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

}  // namespace

ServedModel parse_served_model(std::string_view text, std::span<const std::string_view> allowed,
                               const std::string& place) {
  const auto refuse = [&](const auto&... why) {
    throw_error(ErrorKind::kConfig, place, ": ", why...,
                "; expected MODEL@https://HOST/v1, perhaps with ?NAME=VALUE&... (",
                list_of(allowed), ")");
  };
  ServedModel out;
  const std::size_t at = std::min(text.find("@https://"), text.find("@http://"));
  if (at == std::string_view::npos) refuse("has no '@' before an http:// or https:// address");
  if (at == 0) refuse("names no model before '@'");
  out.model = text.substr(0, at);
  std::string_view address = text.substr(at + 1), settings;
  if (const std::size_t mark = address.find('?'); mark != std::string_view::npos) {
    settings = address.substr(mark + 1);
    address = address.substr(0, mark);
    if (settings.empty()) refuse("ends with '?'");
  }
  if (address.find_first_of("@# \t\r\n") != std::string_view::npos)
    refuse(
        "the address holds '@', '#' or a blank (a key belongs into a variable that "
        "api_key_env names)");
  if (address.ends_with("://")) refuse("the address has no host");
  out.url = address;
  while (!settings.empty()) {
    const std::string_view one = settings.substr(0, settings.find('&'));
    settings.remove_prefix(std::min(settings.size(), one.size() + 1));
    const std::size_t equals = one.find('=');
    const std::string name(one.substr(0, equals));
    if (std::find(allowed.begin(), allowed.end(), name) == allowed.end())
      refuse("a setting after '?' is not known");
    if (equals == std::string_view::npos || equals + 1 == one.size())
      refuse("the setting ", name, " has no value");
    const std::string value(one.substr(equals + 1));
    if (name == "api_key_env" && value.find_first_not_of(kNameOfVariable) != std::string::npos)
      refuse(
          "api_key_env is not the name of an environment variable (capitals, digits and '_'); "
          "the key itself never stands here");
    if (!out.settings.emplace(name, value).second) refuse("the setting ", name, " is there twice");
  }
  return out;
}

int served_number(const ServedModel& served, const std::string& name, int otherwise, int low,
                  int high, const std::string& place) {
  const auto found = served.settings.find(name);
  if (found == served.settings.end()) return otherwise;
  const std::string& text = found->second;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < low || value > high)
    throw_error(ErrorKind::kConfig, place, ": ", name, ": expected a whole number from ", low,
                " to ", high);
  return value;
}

}  // namespace attune
