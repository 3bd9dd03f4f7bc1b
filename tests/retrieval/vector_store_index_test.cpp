#include <attune/vector_store_index.h>

#include <sys/wait.h>
#include <algorithm>

#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/file.h"
#include "retrieval/exact_search.h"
#include "retrieval/index/index_generation.h"
#include "retrieval/index/index_writer.h"
#include "retrieval/index/node_lines.h"
#include "tests/core/scratch.h"
#include "tests/support/fake_embedding.h"
#include "tests/support/index_nodes.h"
#include "tests/support/tiny_bert.h"

namespace attune {
namespace {

class Index : public ::testing::Test {
 protected:
  VectorStoreIndex make(std::span<const TextNode> nodes, const IndexOptions& options = {},
                        IndexChanges* changes = nullptr) const {
    return VectorStoreIndex::from_documents(nodes, model_, directory_, options, changes);
  }
  std::vector<std::string> ids(const VectorStoreIndex& index) const {
    std::vector<std::string> found;
    for (const TextNode& node : index.nodes()) found.push_back(node.id);
    return found;
  }
  std::string generation() const { return read_current(directory_)->name(); }

  Scratch scratch_;
  const std::string directory_ = scratch_ / "index";
  std::shared_ptr<FakeEmbedding> model_ = std::make_shared<FakeEmbedding>();
};

TEST_F(Index, FindsTheNodeOfItsOwnText) {
  const auto nodes = make_nodes(0, 50);
  make(nodes);
  const auto index = VectorStoreIndex::load(directory_, model_);
  EXPECT_EQ(index.size(), 50);
  const auto hits = index.as_retriever(3).retrieve("passage 17");
  ASSERT_EQ(hits.size(), 3u);
  EXPECT_EQ(hits[0].node.id, "n17");
  EXPECT_EQ(hits[0].node.text, "passage 17");
  EXPECT_EQ(hits[0].node.metadata, R"({"page":17})");
  EXPECT_NEAR(hits[0].score, 1, 1e-6);
  EXPECT_GT(hits[0].score, hits[1].score);
  EXPECT_EQ(index.as_retriever(100).retrieve("x").size(), 50u);
  EXPECT_EQ(index.as_retriever().retrieve("x").size(), 2u) << "LlamaIndex's similarity_top_k";
  message_of([&] { index.as_retriever(0); }, ErrorKind::kConfig);
}

TEST_F(Index, EqualScoresStandInTheOrderOfTheirIds) {
  std::vector<TextNode> nodes;
  for (const char* id : {"d", "a", "c", "b"}) nodes.push_back({id, "the same text"});
  for (const bool approximate : {false, true}) {
    IndexOptions options;
    options.approximate = approximate;
    const auto hits = make(nodes, options).as_retriever(4).retrieve("a question");
    std::string order;
    for (const NodeWithScore& hit : hits) order += hit.node.id;
    EXPECT_EQ(order, "abcd");
  }
}

TEST_F(Index, EmbedsOnlyWhatChanged) {
  auto index = make(make_nodes(0, 3000));
  EXPECT_EQ(model_->embedded_texts(), 3000);

  IndexChanges changes = index.insert(make_nodes(3000, 3010));
  EXPECT_EQ(changes.added, 10);
  EXPECT_EQ(changes.unchanged, 3000);
  EXPECT_EQ(changes.embedded, 10);
  EXPECT_EQ(model_->embedded_texts(), 3010);

  std::vector<TextNode> next = make_nodes(3005, 3020);
  next[0].text = "another text";
  next[1].metadata = R"({"page": 1})";
  changes = index.refresh(next);
  EXPECT_EQ(changes.added, 10);
  EXPECT_EQ(changes.changed, 2);
  EXPECT_EQ(changes.unchanged, 3008);
  EXPECT_EQ(changes.embedded, 11) << "new metadata is no new text";
  EXPECT_EQ(index.as_retriever(1).retrieve("another text")[0].node.id, "n3005");
  EXPECT_EQ(index.nodes()[3006].metadata, R"({"page":1})");

  const std::vector<std::string> gone = {"n0", "n2999"};
  changes = index.delete_nodes(gone);
  EXPECT_EQ(changes.removed, 2);
  EXPECT_EQ(changes.embedded, 0);
  EXPECT_EQ(index.size(), 3018);
  EXPECT_EQ(index.as_retriever(1).retrieve("passage 1")[0].node.id, "n1");
  EXPECT_NE(index.as_retriever(1).retrieve("passage 0")[0].node.id, "n0");

  // A text that moves to another id keeps its vector, and whole contents may be given.
  const auto before = model_->embedded_texts();
  std::vector<TextNode> renamed = make_nodes(1, 4);
  renamed[1].id = "other";
  make(renamed, {}, &changes);
  EXPECT_EQ(changes.added, 1);
  EXPECT_EQ(changes.removed, 3016);
  EXPECT_EQ(model_->embedded_texts(), before);
}

TEST_F(Index, WritesNothingWhereNothingDiffers) {
  auto index = make(make_nodes(0, 20));
  EXPECT_EQ(generation(), "generation-00000001");
  make(make_nodes(0, 20));
  index.refresh(make_nodes(3, 9));
  index.insert({});
  index.delete_nodes({});
  EXPECT_EQ(generation(), "generation-00000001");
  auto order = make_nodes(0, 20);
  std::swap(order[0], order[1]);
  make(order);
  EXPECT_EQ(generation(), "generation-00000002");
  EXPECT_EQ(model_->embedded_texts(), 20);
  EXPECT_EQ(scratch_.names().count("index/generation-00000001"), 0u) << "the old one is removed";
}

TEST_F(Index, MayBecomeEmpty) {
  auto index = make(make_nodes(0, 2));
  const std::vector<std::string> both = {"n0", "n1"};
  index.delete_nodes(both);
  EXPECT_EQ(index.size(), 0);
  EXPECT_TRUE(index.as_retriever(3).retrieve("x").empty());
  const auto again = VectorStoreIndex::load(directory_, model_);
  EXPECT_EQ(again.size(), 0);
  index.insert(make_nodes(5, 6));
  EXPECT_EQ(index.as_retriever(3).retrieve("x").size(), 1u);
}

TEST_F(Index, AnEmptyOneRemembersThatItWantsAGraph) {
  IndexOptions options;
  options.approximate = true;
  make(make_nodes(0, 2), options).delete_nodes(std::vector<std::string>{"n0", "n1"});
  make({}, options);
  EXPECT_EQ(generation(), "generation-00000002") << "nothing differs";
  auto again = VectorStoreIndex::load(directory_, model_);
  EXPECT_TRUE(again.is_approximate());
  EXPECT_TRUE(again.as_retriever(3).retrieve("x").empty());
  again.insert(make_nodes(5, 7));
  EXPECT_TRUE(VectorStoreIndex::load(directory_, model_).is_approximate());
  EXPECT_EQ(again.as_retriever(3).retrieve("x").size(), 2u);
}

TEST_F(Index, ReadersKeepTheirGenerationUntilTheyReopen) {
  auto writer = make(make_nodes(0, 30));
  auto reader = VectorStoreIndex::load(directory_, model_);
  const auto old = IndexGeneration::open(directory_);
  writer.refresh(make_nodes(0, 30, "a new text "));
  EXPECT_EQ(reader.as_retriever(1).retrieve("passage 4")[0].node.text, "passage 4");
  EXPECT_EQ(old->node(4).text, "passage 4");
  old->verify();
  EXPECT_TRUE(reader.reopen());
  EXPECT_FALSE(reader.reopen());
  EXPECT_EQ(reader.as_retriever(1).retrieve("a new text 4")[0].node.text, "a new text 4");
}

// Every generation holds texts of one number alone: a mixture would show two.
// Brought back from elsewhere, or made anew: the number of its generation is a lower one.
TEST_F(Index, AFolderThatWasMadeAnewIsReopened) {
  auto index = make(make_nodes(0, 3));
  index.insert(make_nodes(3, 4));
  EXPECT_FALSE(index.reopen()) << "its own change";
  std::filesystem::remove_all(directory_);
  message_of([&] { index.insert(make_nodes(4, 5)); });
  EXPECT_FALSE(std::filesystem::exists(directory_)) << "a change makes no folder";
  make(make_nodes(0, 2));
  EXPECT_EQ(index.size(), 4);
  EXPECT_TRUE(index.reopen());
  EXPECT_FALSE(index.reopen());
  EXPECT_EQ(index.size(), 2);
  index.insert(make_nodes(7, 8));
  EXPECT_EQ(index.size(), 3);
  message_of([&] { VectorStoreIndex::load("", model_); }, ErrorKind::kConfig);
}

TEST_F(Index, ReadersNeverSeeAMixture) {
  const auto nodes_of = [](int round) {
    return make_nodes(0, 40 + round % 3, "round " + std::to_string(round) + " text ");
  };
  auto writer = make(nodes_of(0));
  std::atomic<bool> done{false};
  std::atomic<int> looked{0};
  const auto look = [&](bool reopens) {
    auto reader = VectorStoreIndex::load(directory_, model_);
    while (!done) {
      if (reopens) reader.reopen();
      const auto hits = reader.as_retriever(50).retrieve("a question");
      std::set<std::string> rounds;
      for (const auto& hit : hits)
        rounds.insert(hit.node.text.substr(0, hit.node.text.rfind(" t")));
      ASSERT_EQ(rounds.size(), 1u) << *rounds.begin() << " and " << *rounds.rbegin();
      const int round = std::stoi(rounds.begin()->substr(6));
      ASSERT_EQ(static_cast<int>(hits.size()), 40 + round % 3);
      ++looked;
    }
  };
  std::thread same([&] { look(false); }), other([&] { look(true); });
  for (int round = 1; round <= 40; ++round) make(nodes_of(round));
  done = true;
  same.join();
  other.join();
  EXPECT_GT(looked, 10);
}

TEST_F(Index, OneProcessWritesAtATime) {
  auto index = make(make_nodes(0, 3));
  const IndexWriter other(directory_, IndexWriter::Damaged::kRefused);
  const std::string told =
      message_of([&] { index.insert(make_nodes(3, 4)); }, ErrorKind::kResources);
  EXPECT_NE(told.find("another process writes"), std::string::npos) << told;
  EXPECT_EQ(VectorStoreIndex::load(directory_, model_).size(), 3) << "readers go on";
}

TEST_F(Index, TwoWritersLoseNothing) {
  auto first = make(make_nodes(0, 3));
  auto second = VectorStoreIndex::load(directory_, model_);
  first.insert(make_nodes(3, 5));
  second.insert(make_nodes(5, 7));
  EXPECT_EQ(second.size(), 7);
  EXPECT_TRUE(first.reopen());
  EXPECT_EQ(ids(first), ids(second));
}

TEST_F(Index, WrongNodesAreRefusedAndChangeNothing) {
  auto index = make(make_nodes(0, 5));
  struct Case {
    std::vector<TextNode> nodes;
    const char* says;
  };
  const std::vector<Case> cases = {
      {{{"x", "a"}, {"x", "b"}}, "ids must differ"},
      {{{"", "a"}}, "id is empty"},
      {{{"x", "\xff"}}, "not UTF-8 at byte 0"},
      {{{"\xc3", "a"}}, "the id is not UTF-8"},
      {{{"x", "a", "[1]"}}, "expected an object"},
      {{{"x", "a", "{"}}, "metadata"},
      {{{"x", "a", R"({"a":1,"a":2})"}}, "metadata"},
      {{{"n3", "a"}}, "is there already; refresh() replaces it"},
  };
  for (const Case& wrong : cases) {
    const std::string told = message_of([&] { index.insert(wrong.nodes); });
    EXPECT_NE(told.find(wrong.says), std::string::npos) << told;
  }
  const std::vector<std::string> unknown = {"n1", "n77"};
  const std::string told = message_of([&] { index.delete_nodes(unknown); });
  EXPECT_NE(told.find("no node 'n77'"), std::string::npos) << told;
  EXPECT_EQ(generation(), "generation-00000001");
  EXPECT_EQ(VectorStoreIndex::load(directory_, model_).size(), 5);
}

TEST_F(Index, AFolderWithOtherThingsIsLeftAlone) {
  write_text(scratch_ / "index/thesis.txt", "years of work");
  const std::string told = message_of([&] { make(make_nodes(0, 2)); });
  EXPECT_NE(told.find("'thesis.txt'"), std::string::npos) << told;
  EXPECT_EQ(read_file(scratch_ / "index/thesis.txt"), "years of work");
  message_of([&] { VectorStoreIndex::load(scratch_ / "nowhere", model_); });
}

TEST_F(Index, AStopLeavesTheIndexAsItWas) {
  make(make_nodes(0, 5));
  IndexOptions options;
  int asked = 0;
  options.stop_requested = [&] { return ++asked > 2; };
  message_of([&] { make(make_nodes(0, 5000), options); }, ErrorKind::kInterrupted);
  EXPECT_EQ(generation(), "generation-00000001");
  EXPECT_EQ(VectorStoreIndex::load(directory_, model_).size(), 5);
}

TEST_F(Index, AVectorThatIsNotFiniteIsRefusedWithItsNode) {
  class Broken : public FakeEmbedding {
    void embed(Role role, std::span<const std::string_view> texts,
               std::span<float> out) const override {
      FakeEmbedding::embed(role, texts, out);
      for (std::size_t i = 0; i < texts.size(); ++i)
        if (texts[i] == "passage 3") out[i * dimension() + 2] = std::nanf("");
    }
  };
  const std::string told = message_of([&] {
    VectorStoreIndex::from_documents(make_nodes(0, 5), std::make_shared<Broken>(), directory_);
  });
  EXPECT_NE(told.find("node 'n3'"), std::string::npos) << told;
  EXPECT_FALSE(read_current(directory_).has_value());
}

TEST_F(Index, CopiesOfATextAreAllFoundThroughTheGraph) {
  std::vector<TextNode> nodes = make_nodes(0, 500);
  for (int i = 0; i < 300; ++i) nodes.push_back({"copy " + std::to_string(i), "the same text"});
  IndexOptions options;
  options.approximate = true;
  RetrieverOptions exact;
  exact.exact = true;
  IndexChanges changes;
  auto index = make(nodes, options, &changes);
  EXPECT_EQ(changes.embedded, 501);
  index.insert(std::vector<TextNode>{{"copy", "the same text"}, {"new", "another"}});
  const auto loaded = VectorStoreIndex::load(directory_, model_);
  for (const char* query : {"the same text", "a question", "another question", "passage 3"}) {
    const auto a = loaded.as_retriever(320).retrieve(query);
    const auto b = loaded.as_retriever(320, exact).retrieve(query);
    int equal = 0;
    for (std::size_t i = 0; i < b.size(); ++i)
      equal += std::any_of(a.begin(), a.end(), [&](const auto& x) {
        return x.node.id == b[i].node.id && x.score == b[i].score;
      });
    EXPECT_GE(equal, 317) << query;
  }
  const auto best = loaded.as_retriever(2).retrieve("the same text");
  EXPECT_EQ(best[0].node.id, "copy");
  EXPECT_EQ(best[1].node.id, "copy 0");
}

TEST_F(Index, TheGraphGrowsAndGoesWithTheContents) {
  IndexOptions options;
  options.approximate = true;
  auto index = make(make_nodes(0, 400), options);
  EXPECT_TRUE(index.is_approximate());
  index.insert(make_nodes(400, 600));
  index.delete_nodes(std::vector<std::string>{"n7", "n450"});
  index.refresh(make_nodes(20, 25, "changed "));
  auto loaded = VectorStoreIndex::load(directory_, model_);
  EXPECT_TRUE(loaded.is_approximate());
  int equal = 0;
  RetrieverOptions exact;
  exact.exact = true;
  for (int i = 0; i < 100; ++i) {
    const std::string query = "question " + std::to_string(i);
    const auto a = loaded.as_retriever(10).retrieve(query);
    const auto b = loaded.as_retriever(10, exact).retrieve(query);
    ASSERT_EQ(a.size(), 10u);
    for (const auto& hit : b)
      equal += std::any_of(a.begin(), a.end(), [&](const auto& x) {
        return x.node.id == hit.node.id && x.score == hit.score;
      });
  }
  EXPECT_GE(equal, 950) << "recall@10 of 100 queries";
  EXPECT_EQ(loaded.as_retriever(1).retrieve("changed 22")[0].node.id, "n22");
  make(loaded.nodes());
  EXPECT_FALSE(VectorStoreIndex::load(directory_, model_).is_approximate());
}

TEST(NodeLines, ReadsNodesPassagesAndDataSets) {
  Scratch scratch;
  write_text(scratch / "a.jsonl",
             "{\"id\": \"1\", \"text\": \"one\", \"metadata\": {\"a\": [1]}, \"page\": 3}\n"
             "{\"text\": \"two\", \"id\": \"2\"}\n");
  const auto nodes = read_nodes(scratch / "a.jsonl");
  ASSERT_EQ(nodes.size(), 2u);
  EXPECT_EQ(nodes[0].metadata, R"({"a":[1],"page":3})");
  EXPECT_EQ(nodes[1].text, "two");
  EXPECT_EQ(nodes[1].metadata, "{}");
  EXPECT_EQ(parse_node_line(node_line(nodes[0]).substr(0, node_line(nodes[0]).size() - 1), "x").id,
            "1");
  tiny_dataset().save_json(scratch / "set.json");
  EXPECT_EQ(std::ssize(read_nodes(scratch / "set.json")), tiny_dataset().corpus.size());
}

TEST(NodeLines, EveryMistakeIsToldWithItsLine) {
  Scratch scratch;
  const std::string good = "{\"id\": \"1\", \"text\": \"one\"}\n";
  for (const auto& [line, says] : std::vector<std::pair<std::string, std::string>>{
           {"[1]", "expected an object"},
           {"{\"text\": \"two\"}", "there is no \"id\""},
           {"{\"id\": \"2\"}", "there is no \"text\""},
           {"{\"id\": 2, \"text\": \"two\"}", "\"id\" is number"},
           {"{\"id\": \"2\", \"text\": null}", "\"text\" is null"},
           {"{\"id\": \"1\", \"text\": \"two\"}", "stands in an earlier line"},
           {"{\"id\": \"2\", \"text\": \"two\", \"metadata\": 1}", "\"metadata\" is number"},
           {"{\"id\": \"2\", \"text\": \"t\", \"metadata\": {\"p\": 1}, \"p\": 2}", "and in it"},
           {"{\"id\": \"2\", \"text\": \"two\"", "2:"},
           {"", "2"}}) {
    write_text(scratch / "a.jsonl", good + line + "\n");
    const std::string told = message_of([&] { read_nodes(scratch / "a.jsonl"); });
    EXPECT_NE(told.find("a.jsonl:2"), std::string::npos) << told;
    EXPECT_NE(told.find(says), std::string::npos) << told;
  }
}

}  // namespace
}  // namespace attune
