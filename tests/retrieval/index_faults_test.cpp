// What an index is after a write that failed or was killed, and what is refused of damaged files.
#include <attune/vector_store_index.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "core/durable.h"
#include "core/error.h"
#include "core/file.h"
#include "retrieval/index/index_generation.h"
#include "tests/core/scratch.h"
#include "tests/support/durable_hook.h"
#include "tests/support/fake_embedding.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

std::vector<TextNode> make_nodes(int begin, int end) {
  std::vector<TextNode> nodes;
  for (int i = begin; i < end; ++i)
    nodes.push_back({"n" + std::to_string(i), "passage " + std::to_string(i)});
  return nodes;
}

// Old: 30 nodes, with a graph. New: n0 to n9 gone, n30 to n44 there.
class IndexFaults : public ::testing::Test {
 protected:
  IndexFaults() {
    options_.approximate = true;
    VectorStoreIndex::from_documents(old_, model_, directory_, options_);
    fs::copy(directory_, pristine_, fs::copy_options::recursive);
  }
  void restore() const {
    fs::remove_all(directory_);
    fs::copy(pristine_, directory_, fs::copy_options::recursive);
  }
  void write_new() const { VectorStoreIndex::from_documents(new_, model_, directory_, options_); }
  // Whether it holds the new nodes; it must hold them or the old ones, and be sound.
  bool holds_new() const {
    const auto generation = IndexGeneration::open(directory_);
    generation->verify();
    const std::vector<TextNode>& expected = generation->size() == 30 ? old_ : new_;
    EXPECT_EQ(generation->size(), std::ssize(expected));
    for (std::int64_t row = 0; row < generation->size(); ++row) {
      EXPECT_EQ(generation->node(row).id, expected[row].id);
      EXPECT_EQ(generation->node(row).text, expected[row].text);
    }
    const TextNode& last = expected.back();
    const auto own = model_->get_text_embedding(last.text);
    EXPECT_EQ(generation->search(own, 1, false, "cpu")[0][0].row, std::ssize(expected) - 1);
    return &expected == &new_;
  }
  std::int64_t count_operations() const {
    std::int64_t operations = 0;
    {
      const Hook hook([&](DurableOperation, const std::string&) { return ++operations, 0; });
      write_new();
    }
    restore();
    return operations;
  }
  // One generation and current.json, and nothing else but what this process could not remove: that
  // goes when it is gone (core/durable.h).
  void expect_no_strays() const {
    const std::string ours = ".tmp-" + std::to_string(::getpid()) + "-";
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_)) {
      const std::string name = entry.path().filename().string();
      if (name.find(ours) == std::string::npos) names.insert(name);
    }
    EXPECT_EQ(names, (std::set<std::string>{"current.json", read_current(directory_)->name()}));
  }

  Scratch scratch_;
  const std::string directory_ = scratch_ / "index", pristine_ = scratch_ / "pristine";
  const std::vector<TextNode> old_ = make_nodes(0, 30), new_ = make_nodes(10, 45);
  std::shared_ptr<FakeEmbedding> model_ = std::make_shared<FakeEmbedding>();
  IndexOptions options_;
};

TEST_F(IndexFaults, AKillBeforeAnyOperationLeavesTheOldOrTheNew) {
  const std::int64_t operations = count_operations();
  ASSERT_GT(operations, 20);
  int old = 0;
  for (std::int64_t fatal = 1; fatal <= operations; ++fatal) {
    restore();
    const pid_t child = ::fork();
    if (child == 0) {
      std::int64_t seen = 0;
      set_durable_hook([&](DurableOperation, const std::string&) {
        if (++seen == fatal) ::kill(::getpid(), SIGKILL);
        return 0;
      });
      write_new();
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "operation " << fatal;
    SCOPED_TRACE("killed before operation " + std::to_string(fatal));
    old += holds_new() ? 0 : 1;
    // The next write works and sweeps.
    write_new();
    EXPECT_TRUE(holds_new());
    auto index = VectorStoreIndex::load(directory_, model_);
    index.insert(make_nodes(100, 101));
    expect_no_strays();
  }
  EXPECT_GT(old, 10) << "nothing was killed in the middle";
}

TEST_F(IndexFaults, AnyOneOperationMayFail) {
  const std::int64_t operations = count_operations();
  for (const int error : {ENOSPC, EIO, EROFS})
    for (std::int64_t fatal = 1; fatal <= operations; ++fatal) {
      restore();
      SCOPED_TRACE("operation " + std::to_string(fatal) + " fails with " + std::to_string(error));
      std::int64_t seen = 0;
      bool failed = false;
      {
        const Hook hook(
            [&](DurableOperation, const std::string&) { return ++seen == fatal ? error : 0; });
        try {
          write_new();
        } catch (const Error& told) {
          failed = true;
          EXPECT_EQ(told.kind(), ErrorKind::kResources) << told.what();
        }
      }
      EXPECT_EQ(holds_new(), !failed);
      write_new();
      auto index = VectorStoreIndex::load(directory_, model_);
      index.insert(make_nodes(100, 101));
      expect_no_strays();
    }
}

TEST_F(IndexFaults, AFullDiskFromAnyOperationOnLeavesTheOld) {
  const std::int64_t operations = count_operations();
  for (std::int64_t full = 1; full <= operations; full += 3) {
    restore();
    std::int64_t seen = 0;
    {
      const Hook hook([&](DurableOperation operation, const std::string&) {
        const bool writes =
            operation == DurableOperation::kCreate || operation == DurableOperation::kWrite;
        return ++seen >= full && writes ? ENOSPC : 0;
      });
      try {
        write_new();
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kResources);
      }
    }
    holds_new();
  }
}

class HostileIndex : public IndexFaults {
 protected:
  std::string path(const std::string& name) const {
    return name == "current.json" ? directory_ + "/" + name
                                  : directory_ + "/generation-00000001/" + name;
  }
  void overwrite(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary | std::ios::trunc) << bytes;
  }
  // Of opening and verifying; empty: taken as sound.
  std::string refusal() const {
    try {
      IndexGeneration::open(directory_)->verify();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData) << error.what();
      return error.what();
    }
    return "";
  }
  const std::vector<std::string> files_ = {"current.json", "manifest.json", "nodes.jsonl",
                                           "vectors.safetensors", "neighbours.graph"};
};

TEST_F(HostileIndex, EveryTruncationAndBitFlipIsRefusedByName) {
  std::mt19937_64 rng(3);
  for (const std::string& name : files_) {
    const std::string good = read_file(path(name));
    for (int i = 0; i < 60; ++i) {
      const std::size_t at = i == 0 ? 0 : rng() % good.size();
      SCOPED_TRACE(name + " at byte " + std::to_string(at));
      overwrite(name, good.substr(0, at));
      EXPECT_NE(refusal().find(directory_), std::string::npos) << "cut";
      std::string flipped = good;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << (rng() % 8)));
      overwrite(name, flipped);
      const std::string told = refusal();
      // Of current.json, whose number a flip may turn into another, the generation is missed.
      EXPECT_NE(told.find(name == "current.json" ? directory_ : name), std::string::npos) << told;
    }
    overwrite(name, good + std::string(8, '\0'));
    EXPECT_NE(refusal(), "") << name << " with more bytes";
    overwrite(name, good);
    EXPECT_EQ(refusal(), "");
    fs::remove(path(name));
    EXPECT_NE(refusal(), "") << name << " is missing";
    overwrite(name, good);
  }
}

// An attacker who writes matching hashes gets no further than the checks of the contents.
TEST_F(HostileIndex, WrongContentsWithRightHashesAreRefused) {
  const std::string manifest = read_file(path("manifest.json"));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = manifest;
    const std::size_t at = changed.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    changed.replace(at, from.size(), to);
    overwrite("manifest.json", changed);
    overwrite("current.json", CurrentGeneration{1, sha256(changed)}.to_json());
    return refusal();
  };
  EXPECT_EQ(with("\"nodes\": 30", "\"nodes\": 30"), "");
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"\"nodes\": 30", "\"nodes\": 31"},
           {"\"nodes\": 30", "\"nodes\": 1152921504606846976"},
           {"\"nodes\": 30", "\"nodes\": -1"},
           {"\"nodes\": 30", "\"nodes\": 18446744073709551615"},
           {"\"nodes\": 30", "\"nodes\": 30.5"},
           {"\"dimension\": 16", "\"dimension\": 8"},
           {"\"dimension\": 16", "\"dimension\": 0"},
           {"\"dimension\": 16", "\"dimension\": 2147483647"},
           {"\"attune_index\": 1", "\"attune_index\": 2"},
           {"\"max_length\": 0", "\"max_length\": null"},
           {"\"document_space\": \"", "\"document_space\": \"0"},
           {"\"model\": \"fake\"", "\"model\": [\"fake\"]"},
           {"\"base\": \"\",", ""}})
    EXPECT_NE(with(from, to), "") << from << " -> " << to;

  // A graph whose every number is somebody else's: refused, or searched without leaving memory.
  const std::string graph = read_file(path("neighbours.graph"));
  std::mt19937_64 rng(5);
  int taken = 0;
  restore();
  const auto generation = IndexGeneration::open(directory_);
  for (int i = 0; i < 3000; ++i) {
    std::string changed = graph;
    const std::size_t at = 8 + 4 * (rng() % ((graph.size() - 8) / 4));
    const std::uint32_t values[] = {
        0,  1,          29,         30,         31,
        33, 0x7fffffff, 0x80000000, 0xffffffff, static_cast<std::uint32_t>(rng())};
    const std::uint32_t value = values[rng() % std::size(values)];
    changed.replace(at, 4, reinterpret_cast<const char*>(&value), 4);
    NeighbourGraph parsed(generation->vectors(), 16);
    try {
      parsed.restore(std::as_bytes(std::span(changed)), generation->manifest().vector_file.sha256,
                     "graph");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      continue;
    }
    ++taken;
    for (const std::int64_t row : parsed.search(generation->vectors().data(), 10))
      ASSERT_TRUE(row >= 0 && row < 30);
  }
  EXPECT_GT(taken, 100) << "the search was not tried";
}

TEST_F(HostileIndex, ADamagedIndexIsNotCopiedIntoANewGeneration) {
  std::string vectors = read_file(path("vectors.safetensors"));
  vectors[vectors.size() - 5] = static_cast<char>(vectors[vectors.size() - 5] ^ 1);
  overwrite("vectors.safetensors", vectors);
  auto index = VectorStoreIndex::load(directory_, model_);
  try {
    index.insert(make_nodes(50, 51));
    FAIL() << "the damage went unseen";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("vectors.safetensors: SHA-256"), std::string::npos)
        << error.what();
  }
}

// "Build the index again" works, and does not take the damage over.
TEST_F(HostileIndex, ADamagedIndexIsBuiltAgain) {
  for (const std::string& name : files_) {
    restore();
    std::string bytes = read_file(path(name));
    bytes[bytes.size() - 5] = static_cast<char>(bytes[bytes.size() - 5] ^ 1);
    overwrite(name, bytes);
    const std::int64_t before = model_->embedded_texts();
    IndexChanges changes;
    VectorStoreIndex::from_documents(old_, model_, directory_, options_, &changes);
    EXPECT_EQ(changes.embedded, 30) << name;
    EXPECT_EQ(model_->embedded_texts() - before, 30) << name;
    EXPECT_EQ(refusal(), "") << name;
    EXPECT_EQ(read_current(directory_)->number, 2);
    expect_no_strays();
  }
}

}  // namespace
}  // namespace attune
