#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>
#include <stdexcept>

#include <ATen/ops/sum.h>
#include <caffe2/serialize/inline_container.h>

#include "models/torch_state_file.h"
#include "models/weights_file.h"
#include "tests/core/scratch.h"
#include "tests/fuzz/fuzz_reader.h"

// LibTorch's own: an archive that its reader refuses while it opens is not closed.
extern "C" __attribute__((visibility("default"))) const char* __lsan_default_suppressions() {
  return "leak:mz_zip_reader_init\nleak:mz_zip_reader_read_central_dir\n";
}

namespace attune {
namespace {

// Every byte of every tensor is looked at: the sanitizers see one outside the file.
void read_weights(const std::string& path) {
  const Weights weights = Weights::from_file(path);
  std::size_t bytes = 0;
  for (const auto& [name, entry] : weights.entries()) {
    for (const std::byte one : entry.bytes) bytes += one != std::byte{0};
    const at::Tensor copy = weights.stored(name);
    if (copy.nbytes() != entry.bytes.size()) throw std::logic_error("a tensor of another size");
  }
  if (bytes > std::size_t{1} << 30) throw std::logic_error("more bytes than the file has");
}

// Half of the headers get their right length back: else nearly all inputs end at it.
std::string with_its_length(std::string bytes) {
  const std::size_t end = bytes.rfind('}');
  if (bytes.size() < 8 || end == std::string::npos || end < 8 || bytes[7] != '\0' ||
      bytes.size() % 2 == 0)
    return bytes;
  const std::uint64_t length = end + 1 - 8;
  std::memcpy(bytes.data(), &length, 8);
  return bytes;
}

void read_state_dict(const std::string& path) {
  for (const NamedTensor& tensor : read_torch_state(path))
    if (tensor.tensor.numel() > 0) tensor.tensor.sum();
}

// The archive's checksums refuse nearly every changed byte, so the pickle is changed and then
// packed, beside two storages of 6 and 2 numbers.
std::string packed(const std::string& pickle) {
  std::string bytes;
  caffe2::serialize::PyTorchStreamWriter writer([&](const void* data, std::size_t size) {
    bytes.append(static_cast<const char*>(data), size);
    return size;
  });
  const std::string zeros(24, '\0');
  writer.writeRecord("data.pkl", pickle.data(), pickle.size());
  writer.writeRecord("byteorder", "little", 6);
  writer.writeRecord("data/0", zeros.data(), 24);
  writer.writeRecord("data/1", zeros.data(), 8);
  writer.writeEndOfFile();
  return bytes;
}

std::function<void(const std::string&)> of_file(
    const std::string& name, std::string (*change)(std::string),
    const std::function<void(const std::string& path)>& read) {
  return [=, folder = std::make_shared<Scratch>()](const std::string& bytes) {
    const std::string path = *folder / name;
    std::ofstream(path, std::ios::binary) << change(bytes);
    read(path);
  };
}

}  // namespace

std::vector<FuzzReader> weights_readers() {
  return {
      {"safetensors",
       {"{", "}", "[", "]", ",", "\"dtype\":\"F32\"", "\"shape\":[2]", "\"data_offsets\":[0,8]",
        "\"F64\"", "\"BF16\"", "\"BOOL\"", "[4194305,4194305,211106198978564]", "-1", "1.0",
        "18446744073709551615", "\"__metadata__\":{", "[[", "{\"a\":"},
       of_file("a.safetensors", with_its_length, read_weights)},
      {"state_dict_pickle",
       {"(",
        ")",
        "}",
        "t",
        "\x85",
        "\x86",
        "\x87",
        "N",
        "\x88",
        "K\x01",
        "q\x01",
        "h\x01",
        "s",
        "u",
        "Q",
        "R",
        "b",
        ".",
        "ccollections\nOrderedDict\n",
        "ctorch._utils\n_rebuild_tensor_v2\n",
        "ctorch\nHalfStorage\n",
        "X\x01\x01\x01\x01",
        "\x8a\x07",
        "h\x01h\x01\x86q\x01"},
       of_file(
           "a.bin", [](std::string pickle) { return packed(pickle); }, read_state_dict)},
      {"state_dict_archive",
       {"PK\x03\x04", "PK\x01\x02", "PK\x05\x06", "PK\x06\x06", "data.pkl", "archive/data/0"},
       of_file(
           "a.bin", [](std::string bytes) { return bytes; }, read_state_dict)},
  };
}

}  // namespace attune
