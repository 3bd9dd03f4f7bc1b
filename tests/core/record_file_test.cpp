#include "core/record_file.h"

#include <filesystem>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/core/scratch.h"

namespace attune {
namespace {

std::string contents(const RecordFile& file) {
  const auto bytes = file.records();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(RecordFile, KeepsWholeRecordsAndForgetsTheRest) {
  const Scratch scratch;
  const std::string path = scratch / "a/b/records";
  RecordFile file(path, 4);
  EXPECT_TRUE(file.records().empty());
  file.append("abcdefgh");
  EXPECT_TRUE(file.records().empty()) << "those at the opening";
  std::filesystem::resize_file(path, 7);
  EXPECT_EQ(contents(RecordFile(path, 4)), "abcd");
  std::filesystem::resize_file(path, 6);
  file.append("wxyz");  // behind whole records, whatever another process left
  EXPECT_EQ(contents(RecordFile(path, 4)), "abcdwxyz");
}

TEST(RecordFile, ManyWritersLoseNothing) {
  const Scratch scratch;
  const std::string path = scratch / "records";
  std::vector<std::thread> writers;
  for (char c : std::string("abcdefgh"))
    writers.emplace_back([&path, c] {
      RecordFile file(path, 100);
      for (int i = 0; i < 50; ++i) file.append(std::string(100, c));
    });
  for (std::thread& writer : writers) writer.join();
  const RecordFile whole(path, 100);
  const std::string all = contents(whole);
  ASSERT_EQ(all.size(), 8u * 50 * 100);
  for (std::size_t i = 0; i < all.size(); i += 100)
    EXPECT_EQ(all.substr(i, 100), std::string(100, all[i]));
}

TEST(RecordFile, SaysWhatCannotBeWritten) {
  const Scratch scratch;
  EXPECT_THROW(RecordFile("/proc/nowhere/records", 4), Error);
  EXPECT_THROW(RecordFile(scratch / "", 4), Error);  // a folder
}

}  // namespace
}  // namespace attune
