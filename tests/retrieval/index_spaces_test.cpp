// Mixed spaces in a folder; in PostgreSQL: postgres_index_test.cpp.
#include <filesystem>

#include <gtest/gtest.h>

#include "retrieval/index/index_generation.h"
#include "tests/support/mixed_spaces.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

class IndexSpaces : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  MixedSpaces spaces_{[this](const std::string& name) { return folder_ / name; }};
};

TEST_F(IndexSpaces, TwentyWaysToMixAreTwentyRefusals) { spaces_.expect_twenty_refusals(); }

TEST_F(IndexSpaces, TheSameSpaceIsTaken) { spaces_.expect_the_same_space_is_taken(); }

TEST_F(IndexSpaces, TheRebuildThatIsNamedWorks) { spaces_.expect_the_rebuild_works(); }

TEST_F(IndexSpaces, AGenerationThatIsOpenStaysItsModels) {
  const auto old = std::make_shared<FakeEmbedding>("old", 16, 1);
  spaces_.build("index", old, "old");
  auto opened = VectorStoreIndex::load(folder_ / "index", old);
  spaces_.build("index", std::make_shared<FakeEmbedding>("next", 16, 2), "next");
  EXPECT_THROW(opened.reopen(), Error);
  EXPECT_EQ(opened.as_retriever(1).retrieve("x").size(), 1u);
}

TEST_F(IndexSpaces, FilesOfAnotherModelAreRefused) {
  const auto base = MixedSpaces::load(kTinyBert);
  spaces_.build("a", base, "tiny");
  spaces_.build("b", MixedSpaces::load(kTinyBert, MixedSpaces::cut_at(8)), "cut");
  const std::string generation = "/generation-00000001/";
  for (const char* name : {"vectors.safetensors", "manifest.json"}) {
    const std::string path = folder_ / "a" + generation + name, good = read_file(path);
    fs::copy_file(folder_ / "b" + generation + name, path, fs::copy_options::overwrite_existing);
    try {
      IndexGeneration::open(folder_ / "a");
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
    write_text(path, good);
  }
  EXPECT_EQ(spaces_.refusal("a", base, "tiny"), "");
}

}  // namespace
}  // namespace attune
