// How a model behind a server is written in one word:
//
//   MODEL@https://HOST/v1?api_key_env=NAME&dimensions=256
//
// What follows `?` are attune's own settings and never reach the server.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

namespace attune {

struct ServedModel {
  std::string model, url;
  std::map<std::string, std::string> settings;
};

// `allowed`: names of settings. Error{kConfig} with `place`: no model, no http:// or https://, a
// setting that is not allowed, twice there or empty, and a user, a fragment or a blank in the
// address. Messages repeat no value, which might be a key in the wrong place.
ServedModel parse_served_model(std::string_view text, std::span<const std::string_view> allowed,
                               const std::string& place);

// Of `settings` the whole number, or `otherwise`. Error{kConfig} with `place` outside of the range.
int served_number(const ServedModel& served, const std::string& name, int otherwise, int low,
                  int high, const std::string& place);

}  // namespace attune
