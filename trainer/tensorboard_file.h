// Scalars for TensorBoard: OUTPUT/tensorboard/events.out.tfevents.SECONDS.attune.NNNN, one file for
// every time the run is started or resumed.
//
// Framing (TensorFlow's "TFRecords format details", tensorflow/core/lib/io/record_writer.h), all
// little-endian: u64 length, u32 masked CRC-32C of the length, the bytes, u32 masked CRC-32C of the
// bytes; masked: rotated right by 15 bits, plus 0xa282ead8. Each record is an Event
// (tensorflow/core/util/event.proto): wall_time = 1 (double), step = 2 (varint), file_version = 3
// ("brain.Event:2", the first record), summary = 5, session_log = 7. A Summary
// (tensorflow/core/framework/summary.proto) holds value = 1: tag = 1, simple_value = 2 (float).
//
// A resumed run and one that was rolled back repeat steps: SessionLog{status: START} with the first
// step to come makes TensorBoard drop what older records say of that step and later ones.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <attune/callback.h>

#include "core/durable.h"

namespace attune {

class TensorboardFile : public Callback {
 public:
  // `folder`: OUTPUT/tensorboard. The first step that will be told of is steps_kept + 1.
  TensorboardFile(const std::string& folder, std::int64_t steps_kept);
  void sync() { file_.sync(); }
  void on_step(const StepReport& report) override;
  bool needs_weights(const StepReport&) const override { return false; }
  void on_nonfinite(const NonfiniteReport& report) override;
  void on_evaluate(const EvaluationReport& report) override;

 private:
  void begin_at(std::int64_t step);
  void write(std::int64_t step, const std::vector<std::pair<std::string, double>>& scalars);
  AppendFile file_;
};

}  // namespace attune
