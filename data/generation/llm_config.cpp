#include "data/generation/llm_config.h"

#include <string_view>

#include "data/generation/application_llm.h"

namespace attune {
namespace {

constexpr std::string_view kNameOfVariable = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

}  // namespace

// None of the messages repeats a value: it might be a key in the wrong place.
std::vector<LlmConfig::Mistake> LlmConfig::mistakes() const {
  std::vector<Mistake> out;
  if (!url.empty() && !url.starts_with("http://") && !url.starts_with("https://") &&
      url != kApplicationLlm)
    out.push_back({"url", "begins with neither http:// nor https://"});
  if (url.find_first_of("@?# ") != std::string::npos)
    out.push_back({"url",
                   "holds '@', '?', '#' or a blank: give the plain address; a key belongs into "
                   "api_key_env or api_key_file"});
  if (api_key_env.find_first_not_of(kNameOfVariable) != std::string::npos)
    out.push_back({"api_key_env",
                   "is not the name of an environment variable (capitals, digits and '_'); the key "
                   "itself never stands in a configuration"});
  if (!api_key_env.empty() && !api_key_file.empty())
    out.push_back({"api_key_file", "api_key_env is given too: one of them holds the key"});
  return out;
}

}  // namespace attune
