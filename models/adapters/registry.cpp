#include "models/adapters/registry.h"

#include <map>
#include <mutex>
#include <new>

#include "core/error.h"
#include "models/adapters/linear.h"
#include "models/adapters/low_rank.h"
#include "models/adapters/two_layer.h"

namespace attune {
namespace {

AdapterFactory factory_of(std::unique_ptr<Adapter> (*make)(const Json&, std::uint64_t)) {
  return [make](const std::string& config, std::uint64_t seed) {
    return make(parse_json(config, "the adapter's config"), seed);
  };
}

struct Registry {
  std::mutex mutex;
  std::map<std::string, AdapterFactory> factories = {
      {"linear", factory_of(LinearAdapter::make)},
      {"low_rank", factory_of(LowRankAdapter::make)},
      {"two_layer", factory_of(TwoLayerAdapter::make)},
  };
};

Registry& registry() {
  static Registry instance;
  return instance;
}

}  // namespace

void register_adapter(const std::string& type, AdapterFactory factory) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  if (!all.factories.try_emplace(type, std::move(factory)).second)
    throw_error(ErrorKind::kConfig, "the adapter type '", type, "' is registered already");
}

std::unique_ptr<Adapter> make_adapter(const std::string& type, const Json& config,
                                      std::uint64_t seed) {
  AdapterFactory factory;
  {
    Registry& all = registry();
    const std::lock_guard lock(all.mutex);
    if (const auto found = all.factories.find(type); found != all.factories.end()) {
      factory = found->second;
    } else {
      std::string names;
      for (const auto& [name, ignored] : all.factories) names += (names.empty() ? "" : ", ") + name;
      throw_error(
          ErrorKind::kConfig, "the adapter type '", type,
          "' is not known to this program: it knows ", names,
          ". A type of your own belongs to the program that calls attune::register_adapter(\"",
          type, "\", ...) (docs/examples/custom_adapter); use that one");
    }
  }
  try {
    return factory(config.dump(), seed);
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    const std::string reason = error.what();  // of LibTorch's the first line: the rest is a trace
    throw_error(ErrorKind::kConfig, "the adapter type '", type,
                "': ", reason.substr(0, reason.find('\n')));
  }
}

std::int64_t adapter_width(const Json& config, const char* key) {
  constexpr std::int64_t kMost = 1'000'000;
  const auto found = config.find(key);
  if (found == config.end() || !found->is_number_integer() || found->get<std::int64_t>() < 1 ||
      found->get<std::int64_t>() > kMost)
    throw_error(ErrorKind::kData, "the adapter's '", key, "' is ",
                found == config.end() ? "missing" : found->dump(),
                ", expected a whole number from 1 to ", kMost);
  return found->get<std::int64_t>();
}

}  // namespace attune
