#include "trainer/tensorboard_file.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <filesystem>
#include <iomanip>
#include <iterator>
#include <sstream>
#include <string_view>

#include "core/crc32c.h"

namespace attune {
namespace {

// Later starts sort behind earlier ones, as TensorBoard reads them, also within one second.
std::string next_name(const std::string& folder) {
  std::error_code missing;
  const auto files = std::distance(std::filesystem::directory_iterator(folder, missing),
                                   std::filesystem::directory_iterator());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::system_clock::now().time_since_epoch());
  std::ostringstream name;
  name << folder << "/events.out.tfevents." << std::setw(10) << std::setfill('0') << seconds.count()
       << ".attune." << std::setw(4) << files;
  return name.str();
}

template <class Unsigned>
std::string little_endian(Unsigned value) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof value; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

std::string masked_crc(std::string_view bytes) {
  return little_endian(std::rotr(crc32c(bytes), 15) + 0xa282ead8u);
}

std::string framed(const std::string& record) {
  const std::string length = little_endian(static_cast<std::uint64_t>(record.size()));
  return length + masked_crc(length) + record + masked_crc(record);
}

// Protocol buffers' wire format (protobuf.dev, "Encoding"): a key of field number and wire type (0
// varint, 1 eight bytes, 2 length-delimited, 5 four bytes), then the value.
std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>((value & 0x7f) | 0x80);
  return bytes + static_cast<char>(value);
}

std::string varint_field(int number, std::int64_t value) {
  return varint(number << 3) + varint(static_cast<std::uint64_t>(value));
}

std::string double_field(int number, double value) {
  return varint(number << 3 | 1) + little_endian(std::bit_cast<std::uint64_t>(value));
}

std::string float_field(int number, double value) {
  return varint(number << 3 | 5) +
         little_endian(std::bit_cast<std::uint32_t>(static_cast<float>(value)));
}

std::string bytes_field(int number, const std::string& value) {
  return varint(number << 3 | 2) + varint(value.size()) + value;
}

std::string wall_time() {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  return double_field(1, now.count());
}

}  // namespace

TensorboardFile::TensorboardFile(const std::string& folder, std::int64_t steps_kept)
    : file_(next_name(folder), AppendFile::Contents::kRecords) {
  file_.append_record(framed(wall_time() + bytes_field(3, "brain.Event:2")));
  begin_at(steps_kept + 1);
}

void TensorboardFile::begin_at(std::int64_t step) {
  constexpr int kStart = 1;
  file_.append_record(
      framed(wall_time() + varint_field(2, step) + bytes_field(7, varint_field(1, kStart))));
}

void TensorboardFile::write(std::int64_t step,
                            const std::vector<std::pair<std::string, double>>& scalars) {
  std::string summary;
  for (const auto& [tag, value] : scalars)
    summary += bytes_field(1, bytes_field(1, tag) + float_field(2, value));
  file_.append_record(framed(wall_time() + varint_field(2, step) + bytes_field(5, summary)));
}

void TensorboardFile::on_step(const StepReport& report) {
  if (report.skipped) return;
  write(report.step, {{"train/loss", report.loss},
                      {"train/learning_rate", report.learning_rate},
                      {"train/grad_norm", report.grad_norm},
                      {"train/pairs_per_second",
                       static_cast<double>(report.pairs) / std::max(report.seconds, 1e-9)}});
}

void TensorboardFile::on_nonfinite(const NonfiniteReport& report) {
  if (report.next_step <= report.step) begin_at(report.next_step);
}

void TensorboardFile::on_evaluate(const EvaluationReport& report) {
  std::vector<std::pair<std::string, double>> scalars;
  for (const auto& [name, value] : report.metrics)
    scalars.emplace_back("validation/" + name, value);
  write(report.step, scalars);
}

}  // namespace attune
