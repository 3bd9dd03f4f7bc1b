// A resumable state of training: OUTPUT/checkpoints/step-NNNNNNNN/, each whole or not there.
//   state.safetensors  values, first_moments, second_moments, and best_values if there are any
//   manifest.json      format version, step, totals, best, steps skipped, seed, environment,
//                      configuration hash, size and SHA-256 of state.safetensors, and "checksum",
//                      the SHA-256 of the manifest without that line: any changed bit is found
// The best weights are in every checkpoint, so they survive however few are kept.
// A resumed run equals an uninterrupted one bit for bit on the CPU with the same number of threads
// and instruction set; they and the device are recorded and checked.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include <ATen/core/Tensor.h>

#include "core/hash.h"
#include "trainer/chunk_fit.h"

namespace attune {

struct Checkpoint {
  std::int64_t next_step = 0;  // 0-based step to take next
  std::uint64_t seed = 0;
  Fingerprint configuration;                         // of everything that decides the numbers
  at::Tensor values, first_moments, second_moments;  // [count] fp32
  std::string device;                                // describe_device()
  std::int64_t pairs = 0;                            // of all steps so far, like the next two
  double seconds = 0, last_loss = 0;
  std::int64_t best_step = 0;
  double best_metric = -1;
  ChunkLimits chunks;
  at::Tensor best_values;  // undefined if nothing was evaluated yet
  std::int64_t evaluations_without_gain = 0;
  std::int64_t optimizer_steps = 0;  // steps taken but for those skipped
  std::set<std::int64_t> skipped;    // steps, 0-based, that change no weight
  int rollbacks = 0;
};

// Those that a run can be rolled back to: after every `steps` steps, or before the first alone (0).
struct RollbackPoints {
  int steps = 0;
  bool contain(std::int64_t next_step) const {
    return steps > 0 ? next_step % steps == 0 : next_step == 0;
  }
};

// Keeps this one and the newest before it, `keep` in all, and the newest of `points`; later ones,
// which a resumed run has passed over, go. Returns the directory written. Error{kDiverged}: a
// tensor holds NaN or infinity, and nothing is written.
std::string save_checkpoint(const std::string& folder, const Checkpoint& checkpoint, int keep = 2,
                            const std::optional<RollbackPoints>& points = std::nullopt);

// Bytes on the disk at the highest: those kept and the one being written, or (0) the single one of
// a run that is stopped.
std::int64_t checkpoint_disk_bytes(std::int64_t parameters, int keep, bool has_best);

// The newest checkpoint (of `points`, if given) that is whole; damaged ones are passed over with a
// warning that names them and the one that is taken. None if there is no good one. Error{kConfig}
// where the configuration, seed, device, thread count or instruction set differ from `expected`
// (those fields and the size of `values` are read).
std::optional<Checkpoint> load_newest_checkpoint(
    const std::string& folder, const Checkpoint& expected,
    const std::optional<RollbackPoints>& points = std::nullopt);

}  // namespace attune
