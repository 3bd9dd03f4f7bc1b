// Pickles that ask for more than a state_dict needs. What is read right is shown by the adapters'
// tests and tests/oracles/parity; random damage by tests/fuzz.
#include "models/torch_state_file.h"

#include <caffe2/serialize/inline_container.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <ATen/ops/ones.h>

#include <algorithm>
#include <fstream>

#include "core/error.h"
#include "tests/core/scratch.h"
#include "tests/support/tiny_bert.h"

namespace attune {
namespace {

// `storage`: the bytes of the record data/0.
std::string refusal_of(const std::string& pickle, bool compressed = false,
                       const std::string& storage = "") {
  const TemporaryFolder folder;
  {
    caffe2::serialize::PyTorchStreamWriter writer(folder / "pytorch_model.bin");
    writer.writeRecord("data.pkl", pickle.data(), pickle.size(), compressed);
    if (!storage.empty()) writer.writeRecord("data/0", storage.data(), storage.size());
    writer.writeEndOfFile();
  }
  try {
    read_torch_state(folder / "pytorch_model.bin");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_TRUE(std::string(error.what()).starts_with(folder.path())) << error.what();
    return error.what();
  }
  return "";
}

std::string repeated(const std::string& piece, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += piece;
  return all;
}

long peak_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss >> 10;
}

TEST(TorchStateFile, AnEmptyStateDictIsRead) { EXPECT_EQ(refusal_of("\x80\x02}."), ""); }

// A million tuples, each in the next: freeing them would exhaust the stack of calls.
TEST(TorchStateFile, DeepNestingIsRefused) {
  EXPECT_NE(refusal_of("\x80\x02)" + repeated("\x85", 1'000'000) + ".").find("nested deeper"),
            std::string::npos);
  EXPECT_NE(refusal_of("\x80\x02)" + repeated("\x85", 16) + ".").find("no dict"),
            std::string::npos);
}

// Each tuple holds the last one twice; each copy of a text is the same text. Both would fill any
// memory.
TEST(TorchStateFile, CopiesTakeNoMemory) {
  const std::string once = "\x80\x02)" + std::string("q\0", 2);
  const std::string pair("h\0h\0\x86q\0", 7);
  EXPECT_NE(refusal_of(once + repeated(pair, 16) + ".").find("no dict"), std::string::npos);
  EXPECT_NE(refusal_of(once + repeated(pair, 17) + ".").find("nested deeper"), std::string::npos);
  const std::string long_text = "X" + std::string("\0\0\x10\0", 4) + std::string(1 << 20, 'a');
  const long before = peak_mib();
  EXPECT_NE(refusal_of("\x80\x02" + long_text + "q\x01" + repeated("h\x01", 200'000) + ".")
                .find("no dict"),
            std::string::npos);
  EXPECT_LT(peak_mib() - before, 256);  // 200 GB, copied
}

// Shared, it could hold itself, and would never be freed.
TEST(TorchStateFile, ADictIsNotUsedTwice) {
  EXPECT_NE(refusal_of("\x80\x02}q\x01X\x01" + std::string(3, '\0') + "ah\x01s.")
                .find("uses a dict twice"),
            std::string::npos);
}

// A tensor is made of the same storage again and again: five bytes for as many numbers as it has.
TEST(TorchStateFile, MoreNumbersThanTheFileAreRefused) {
  const auto text = [](const std::string& s) {
    return "X" + std::string(1, static_cast<char>(s.size())) + std::string(3, '\0') + s;
  };
  const std::string function = "ctorch._utils\n_rebuild_tensor_v2\n";
  const std::string storage = "((" + text("storage") + "ctorch\nHalfStorage\n" + text("0") +
                              text("cpu") + "K\xfatQ";  // 250 numbers
  const std::string arguments = storage + std::string("K\0", 2) + "K\xfa\x85K\x01\x85t";
  const std::string zeros(500, '\0'), start = "\x80\x02";
  const std::string entry = text("w") + function + arguments + "R";
  EXPECT_EQ(refusal_of(start + "}(" + entry + entry + "u.", false, zeros), "");
  EXPECT_NE(refusal_of(start + function + "q\x01" + arguments + "q\x02" +
                           repeated("h\x01h\x02R", 1000) + ".",
                       false, zeros)
                .find("more numbers than the file"),
            std::string::npos);
}

// A thousand times the file's size would be allocated.
TEST(TorchStateFile, ACompressedRecordIsRefused) {
  EXPECT_NE(refusal_of("\x80\x02}" + repeated("q\x01", 4'000'000) + ".", true).find("compressed"),
            std::string::npos);
}

// Each byte of the archive's directory changed and each cut: read or refused, and never more asked
// for than a file of a kilobyte explains (LibTorch's reader allocates what a record claims).
TEST(TorchStateFile, NoDirectoryIsBelieved) {
  const Scratch folder;
  const std::string path = folder / "a.bin";
  const std::string good = torch_state_bytes({{"w", at::ones({2, 3})}});
  const std::size_t directory = good.find("PK\x01\x02");
  ASSERT_NE(directory, std::string::npos);
  const long before = peak_mib();
  int refused = 0;
  const auto try_to_read = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    try {
      read_torch_state(path);
    } catch (const Error& error) {
      ++refused;
      EXPECT_EQ(error.kind(), ErrorKind::kData) << error.what();
    }
  };
  for (std::size_t at = directory; at < good.size(); ++at) {
    std::string changed = good;
    changed[at] = '\xff';
    try_to_read(changed);
    for (std::size_t i = at; i < std::min(at + 4, good.size()); ++i) changed[i] = '\xff';
    try_to_read(changed);
    try_to_read(good.substr(0, at));
  }
  EXPECT_GT(refused, static_cast<int>(good.size() - directory));
  EXPECT_LT(peak_mib() - before, 256);
  try_to_read(good);
}

}  // namespace
}  // namespace attune
