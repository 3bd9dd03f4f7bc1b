// Every reader of files from outside under mutated inputs: it reads or throws attune::Error, in no
// more than a second of processor time and bounded memory; sanitizers look on where they are built
// in. With the other tests a few hundred inputs each; scripts/fuzz_campaign makes it millions:
//   ATTUNE_FUZZ_INPUTS  inputs for each reader
//   ATTUNE_FUZZ_SEED    another number, other inputs
//   ATTUNE_FUZZ_KEEP    a file that always holds the input being read, also after a crash
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "tests/fuzz/fuzz_reader.h"
#include "tests/fuzz/mutator.h"
#include "tests/support/paths.h"

namespace attune {
namespace {

constexpr double kMostSeconds = 1;
constexpr long kMostMiB = 1024;

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* given = std::getenv(name);
  return given != nullptr ? std::strtoull(given, nullptr, 10) : otherwise;
}

// In a mapped file: it is there after a crash as well.
class KeptInput {
 public:
  KeptInput() {
    const char* path = std::getenv("ATTUNE_FUZZ_KEEP");
    if (path == nullptr) return;
    const int file = ::open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0 || ::ftruncate(file, kBytes) != 0) std::abort();
    void* const memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) std::abort();
    ::close(file);
    memory_ = static_cast<char*>(memory);
  }
  ~KeptInput() {
    if (memory_ != nullptr) ::munmap(memory_, kBytes);
  }
  KeptInput(const KeptInput&) = delete;
  KeptInput& operator=(const KeptInput&) = delete;
  // Eight bytes of length, then the input.
  void keep(const std::string& input) {
    if (memory_ == nullptr) return;
    const std::uint64_t size = std::min(input.size(), kBytes - 8);
    std::memcpy(memory_, &size, 8);
    std::memcpy(memory_ + 8, input.data(), size);
  }

 private:
  static constexpr std::size_t kBytes = std::size_t{1} << 20;
  char* memory_ = nullptr;
};

double processor_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

long peak_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss >> 10;
}

std::vector<FuzzReader> all_readers() {
  std::vector<FuzzReader> readers = plain_readers();
#ifdef ATTUNE_FUZZ_WEIGHTS
  for (FuzzReader& reader : weights_readers()) readers.push_back(std::move(reader));
#endif
  return readers;
}

std::vector<std::string> corpus_of(const std::string& reader) {
  std::set<std::string> paths;
  const std::string folder = source_path(("tests/fuzz/corpus/" + reader).c_str());
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    paths.insert(entry.path().string());
  std::vector<std::string> corpus;
  for (const std::string& path : paths) corpus.push_back(read_file(path));
  return corpus;
}

class Fuzz : public testing::TestWithParam<FuzzReader> {
 protected:
  void read(const std::string& input) {
    kept_.keep(input);
    const double start = processor_seconds();
    try {
      GetParam().read(input);
      ++accepted_;
    } catch (const Error& error) {
      ++rejected_;
      EXPECT_STRNE(error.what(), "");
    }
    const double taken = processor_seconds() - start;
    slowest_ = std::max(slowest_, taken);
    ASSERT_LT(taken, kMostSeconds);
  }

  KeptInput kept_;
  std::int64_t accepted_ = 0, rejected_ = 0;
  double slowest_ = 0;
};

TEST_P(Fuzz, ReadsOrRefuses) {
  set_log_level(LogLevel::kError);
  const std::vector<std::string> corpus = corpus_of(GetParam().name);
  ASSERT_FALSE(corpus.empty());
  const long before = peak_mib();
  const auto start = std::chrono::steady_clock::now();
  for (const std::string& input : corpus) ASSERT_NO_FATAL_FAILURE(read(input));
  EXPECT_GT(accepted_, 0) << "no file of the corpus is good";
  Mutator mutator(corpus, GetParam().words, setting("ATTUNE_FUZZ_SEED", 1));
  const std::uint64_t inputs = setting("ATTUNE_FUZZ_INPUTS", 400);
  for (std::uint64_t i = 0; i < inputs; ++i) ASSERT_NO_FATAL_FAILURE(read(mutator.next()));
  EXPECT_GT(rejected_, 0);
  const long grown = peak_mib() - before;
  EXPECT_LT(grown, kMostMiB);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  std::cout << "| " << GetParam().name << " | " << accepted_ + rejected_ << " | " << accepted_
            << " | " << rejected_ << " | " << std::fixed << std::setprecision(0) << taken.count()
            << " | " << std::setprecision(1) << 1e3 * slowest_ << " | " << grown << " |\n";
  set_log_level(LogLevel::kInfo);
}

INSTANTIATE_TEST_SUITE_P(Readers, Fuzz, testing::ValuesIn(all_readers()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace attune
