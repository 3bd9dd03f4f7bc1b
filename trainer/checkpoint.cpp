#include "trainer/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iomanip>
#include <sstream>
#include <string_view>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>

#include "core/durable.h"
#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "kernels/attention.h"
#include "models/weights_file.h"

namespace attune {
namespace {

namespace fs = std::filesystem;
constexpr int kFormatVersion = 3;

std::string directory_name(std::int64_t step) {
  std::ostringstream name;
  name << "step-" << std::setw(8) << std::setfill('0') << step;
  return name.str();
}

struct Found {
  std::int64_t step;
  fs::path path;
};

// Newest first.
std::vector<Found> checkpoints_in(const fs::path& folder) {
  constexpr std::string_view kPrefix = "step-";
  std::vector<Found> found;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder, missing)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_directory() || !name.starts_with(kPrefix)) continue;
    std::int64_t step = 0;
    const char* end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data() + kPrefix.size(), end, step);
    if (error == std::errc() && stop == end) found.push_back({step, entry.path()});
  }
  std::sort(found.begin(), found.end(),
            [](const Found& a, const Found& b) { return a.step > b.step; });
  return found;
}

void prune(const fs::path& folder, std::int64_t newest, int keep,
           const std::optional<RollbackPoints>& points) {
  int kept = 0;
  bool has_point = !points;
  for (const Found& checkpoint : checkpoints_in(folder)) {
    if (checkpoint.step <= newest) {
      const bool is_needed = !has_point && points->contain(checkpoint.step);
      has_point = has_point || is_needed;
      if (kept++ < keep || is_needed) continue;
    }
    try {
      remove_durably(checkpoint.path.string());
    } catch (const Error& error) {  // the training goes on: what it needs is saved
      log_warning(str_cat("an old checkpoint stays: ", error.what()));
    }
  }
}

std::string environment(const Checkpoint& checkpoint) {
  return str_cat(checkpoint.device, ", ", at::get_num_threads(), " threads, ", kernel_isa());
}

at::Tensor read_tensor(const Weights& weights, const std::string& name, const Checkpoint& expected,
                       const std::string& place) {
  const WeightEntry* entry = weights.find(name);
  const std::vector<std::int64_t> shape = {expected.values.numel()};
  if (!entry || entry->shape != shape)
    throw_error(ErrorKind::kData, place, ": tensor '", name, "' of ", shape[0],
                " numbers is not there");
  at::Tensor tensor = at::empty(shape, at::kFloat);
  weights.copy_to(name, tensor);
  return tensor;
}

std::string manifest_text(const Json& manifest) { return manifest.dump(2) + "\n"; }

// Nothing of it is believed before its own checksum is right.
Json read_manifest(const fs::path& directory) {
  const fs::path state = directory / "state.safetensors";
  const std::string path = (directory / "manifest.json").string();
  const std::string text = read_file(path, 1 << 20);
  Json manifest = parse_json(text, path);
  const std::string checksum =
      manifest.is_object() ? manifest.value("checksum", Json()).dump() : "";
  Json others = manifest;
  if (others.is_object()) others.erase("checksum");
  if (manifest_text(manifest) != text || checksum != Json(sha256(manifest_text(others))).dump())
    throw_error(ErrorKind::kData, path, ": damaged: it does not match its own checksum");
  if (manifest.at("format_version") != kFormatVersion)
    throw_error(ErrorKind::kData, directory.string(), ": format version ",
                manifest.at("format_version").dump(), ", this attune reads ", kFormatVersion);
  if (fs::file_size(state) != manifest.at("size").get<std::uint64_t>() ||
      sha256_file(state.string()) != manifest.at("sha256").get<std::string>())
    throw_error(ErrorKind::kData, state.string(),
                ": damaged: size or SHA-256 differ from manifest.json");
  return manifest;
}

void read_state(const Json& manifest, const fs::path& directory, const Checkpoint& expected,
                Checkpoint& checkpoint) {
  for (const char* key : {"configuration", "seed", "environment"}) manifest.at(key);
  checkpoint.next_step = manifest.at("next_step").get<std::int64_t>();
  checkpoint.pairs = manifest.at("pairs").get<std::int64_t>();
  checkpoint.seconds = manifest.at("seconds").get<double>();
  checkpoint.last_loss = manifest.at("last_loss").get<double>();
  const Json& chunks = manifest.at("chunk_tokens");
  checkpoint.chunks = {chunks.at(0).get<std::int64_t>(), chunks.at(1).get<std::int64_t>()};
  checkpoint.best_step = manifest.at("best_step").get<std::int64_t>();
  checkpoint.best_metric = manifest.at("best_metric").get<double>();
  checkpoint.evaluations_without_gain = manifest.at("evaluations_without_gain").get<std::int64_t>();
  checkpoint.optimizer_steps = manifest.at("optimizer_steps").get<std::int64_t>();
  checkpoint.skipped = manifest.at("skipped").get<std::set<std::int64_t>>();
  checkpoint.rollbacks = manifest.at("rollbacks").get<int>();
  const std::string state = (directory / "state.safetensors").string();
  const Weights weights = Weights::from_file(state);
  checkpoint.values = read_tensor(weights, "values", expected, state);
  checkpoint.first_moments = read_tensor(weights, "first_moments", expected, state);
  checkpoint.second_moments = read_tensor(weights, "second_moments", expected, state);
  if (weights.find("best_values"))
    checkpoint.best_values = read_tensor(weights, "best_values", expected, state);
}

void check_same(const Json& manifest, const std::string& key, const Json& expected,
                const fs::path& place) {
  if (manifest.at(key) != expected)
    throw_error(ErrorKind::kConfig, place.string(), ": ", key, " was ", manifest.at(key).dump(),
                ", now it is ", expected.dump(),
                ": going on would give other numbers. Resume as it was begun, or start "
                "anew with --overwrite");
}

}  // namespace

std::string save_checkpoint(const std::string& folder, const Checkpoint& checkpoint, int keep,
                            const std::optional<RollbackPoints>& points) {
  const fs::path target = fs::path(folder) / directory_name(checkpoint.next_step);
  std::vector<NamedTensor> tensors = {{"values", checkpoint.values},
                                      {"first_moments", checkpoint.first_moments},
                                      {"second_moments", checkpoint.second_moments}};
  if (checkpoint.best_values.defined()) tensors.push_back({"best_values", checkpoint.best_values});
  for (const NamedTensor& item : tensors)
    if (!at::isfinite(item.tensor).all().item<bool>())
      throw_error(ErrorKind::kDiverged, target.string(), ": tensor '", item.name,
                  "' holds NaN or infinity, so this state is not saved; the checkpoint before it "
                  "stays. Go on from that one with a lower train.learning_rate");
  DurableDirectory out(target.string());
  const WrittenFile state = write_safetensors(out, "state.safetensors", tensors);
  Json manifest = {{"format_version", kFormatVersion},
                   {"next_step", checkpoint.next_step},
                   {"seed", checkpoint.seed},
                   {"configuration", checkpoint.configuration},
                   {"environment", environment(checkpoint)},
                   {"pairs", checkpoint.pairs},
                   {"seconds", checkpoint.seconds},
                   {"last_loss", checkpoint.last_loss},
                   {"chunk_tokens", {checkpoint.chunks.whole, checkpoint.chunks.chunk}},
                   {"best_step", checkpoint.best_step},
                   {"best_metric", checkpoint.best_metric},
                   {"evaluations_without_gain", checkpoint.evaluations_without_gain},
                   {"optimizer_steps", checkpoint.optimizer_steps},
                   {"skipped", checkpoint.skipped},
                   {"rollbacks", checkpoint.rollbacks},
                   {"size", state.size},
                   {"sha256", state.sha256}};
  const std::string checksum = sha256(manifest_text(manifest));
  manifest["checksum"] = checksum;
  out.write("manifest.json", manifest_text(manifest));
  out.commit();
  prune(folder, checkpoint.next_step, keep, points);
  return target.string();
}

std::int64_t checkpoint_disk_bytes(std::int64_t parameters, int keep, bool has_best) {
  const std::int64_t values = has_best ? 4 : 3;  // weights, two moments, the best weights
  return (keep + 1) * values * parameters * 4;
}

std::optional<Checkpoint> load_newest_checkpoint(const std::string& folder,
                                                 const Checkpoint& expected,
                                                 const std::optional<RollbackPoints>& points) {
  remove_stale_temporaries_below(folder);
  std::string damaged;  // names, newest first
  for (const auto& [step, directory] : checkpoints_in(folder)) {
    if (points && !points->contain(step)) continue;
    Json manifest;
    Checkpoint checkpoint = expected;
    try {
      manifest = read_manifest(directory);
      read_state(manifest, directory, expected, checkpoint);
    } catch (const std::exception& error) {
      log_warning(str_cat("checkpoint passed over: ", error.what()));
      damaged += (damaged.empty() ? "" : ", ") + directory.string();
      continue;
    }
    check_same(manifest, "configuration", expected.configuration, directory);
    check_same(manifest, "seed", expected.seed, directory);
    check_same(manifest, "environment", environment(expected), directory);
    if (!damaged.empty())
      log_warning(str_cat(damaged, ": damaged; going on from ", directory.string(),
                          ", the newest that is whole"));
    return checkpoint;
  }
  if (!damaged.empty()) log_warning(str_cat(folder, ": none of the checkpoints is whole"));
  return std::nullopt;
}

}  // namespace attune
