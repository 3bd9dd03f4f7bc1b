// Pickles that ask for more than a state_dict needs. What is read right is shown by the adapters'
// tests and tests/oracles/parity; random damage by tests/fuzz.
#include "models/torch_state_file.h"

#include <caffe2/serialize/inline_container.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/tiny_bert.h"

namespace attune {
namespace {

std::string refusal_of(const std::string& pickle, bool compressed = false) {
  const TemporaryFolder folder;
  {
    caffe2::serialize::PyTorchStreamWriter writer(folder / "pytorch_model.bin");
    writer.writeRecord("data.pkl", pickle.data(), pickle.size(), compressed);
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

TEST(TorchStateFile, AnEmptyStateDictIsRead) { EXPECT_EQ(refusal_of("\x80\x02}."), ""); }

// A million tuples, each in the next: freeing them would exhaust the stack of calls.
TEST(TorchStateFile, DeepNestingIsRefused) {
  EXPECT_NE(refusal_of("\x80\x02)" + repeated("\x85", 1'000'000) + ".").find("nested deeper"),
            std::string::npos);
  EXPECT_NE(refusal_of("\x80\x02)" + repeated("\x85", 16) + ".").find("no dict"),
            std::string::npos);
}

// Each tuple holds the last one twice.
TEST(TorchStateFile, DoublingIsRefused) {
  const std::string once = "\x80\x02)" + std::string("q\0", 2);
  const std::string pair("h\0h\0\x86q\0", 7);
  EXPECT_NE(refusal_of(once + repeated(pair, 15) + ".").find("copies more values"),
            std::string::npos);
}

// A thousand times the file's size would be allocated.
TEST(TorchStateFile, ACompressedRecordIsRefused) {
  EXPECT_NE(refusal_of("\x80\x02}" + repeated("q\x01", 4'000'000) + ".", true).find("compressed"),
            std::string::npos);
}

}  // namespace
}  // namespace attune
