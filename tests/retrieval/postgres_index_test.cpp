// The index in PostgreSQL, by the server that tests/support/with_postgres.py starts.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <set>
#include <thread>

#include <attune/vector_store_index.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/postgres.h"
#include "retrieval/index/index_storage.h"
#include "tests/core/scratch.h"
#include "tests/support/fake_embedding.h"
#include "tests/support/index_nodes.h"
#include "tests/support/mixed_spaces.h"

namespace attune {
namespace {

using Kind = PostgresTransaction::Kind;

void expect_says(const std::string& told, const std::string& what) {
  EXPECT_NE(told.find(what), std::string::npos) << told;
}

// Does something before the texts of its `at`-th call are embedded.
class Disturbed : public FakeEmbedding {
 public:
  Disturbed(std::function<void()> what, int at) : what_(std::move(what)), at_(at) {}

 private:
  void embed(Role role, std::span<const std::string_view> texts,
             std::span<float> out) const override {
    if (--at_ == 0) what_();
    FakeEmbedding::embed(role, texts, out);
  }
  std::function<void()> what_;
  mutable int at_;
};

class PostgresIndex : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::getenv("ATTUNE_POSTGRES")) GTEST_SKIP() << "run by tests/support/with_postgres.py";
    address_ = std::getenv("ATTUNE_POSTGRES");
    server_ = std::make_unique<PostgresServer>(address_, "the test");
    schema_ =
        std::string("it's \"") + ::testing::UnitTest::GetInstance()->current_test_info()->name();
    place_ = address_ + "#" + schema_;
  }
  VectorStoreIndex make(std::span<const TextNode> nodes, const IndexOptions& options = {},
                        IndexChanges* changes = nullptr) const {
    return VectorStoreIndex::from_documents(nodes, model_, place_, options, changes);
  }
  std::vector<PostgresTransaction::Row> sql(const std::string& text) const {
    PostgresTransaction transaction(*server_, Kind::kWrite);
    auto rows = transaction.run(text);
    transaction.commit();
    return rows;
  }
  std::string in_schema(const std::string& table) const {
    PostgresTransaction transaction(*server_, Kind::kRead);
    return transaction.quoted_name(schema_) + "." + table;
  }
  // As the text of an SQL literal.
  std::string quoted_schema() const {
    std::string text = in_schema("");
    text.pop_back();
    for (std::size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 2)
      text.insert(at, 1, '\'');
    return text;
  }
  std::string generation() const {
    return sql("SELECT generation::text FROM " + in_schema("attune_index"))[0][0];
  }
  static std::string ids(const std::vector<NodeWithScore>& hits) {
    std::string text;
    for (const auto& hit : hits) text += hit.node.id + " ";
    return text;
  }

  std::string address_, schema_, place_;
  std::unique_ptr<PostgresServer> server_;
  std::shared_ptr<FakeEmbedding> model_ = std::make_shared<FakeEmbedding>();
  Scratch scratch_;
};

TEST_F(PostgresIndex, FindsWhatTheFolderFindsWithTheSameScores) {
  std::vector<TextNode> nodes = make_nodes(0, 500);
  nodes.push_back({"quoted", "a \"b\" \\ {c}, 'd'\n\xc3\x9f", R"({"x":["\\\"{}\u0000"]})"});
  for (const char* id : {"same c", "same a", "same b"}) nodes.push_back({id, "the same text"});
  const auto folder = VectorStoreIndex::from_documents(nodes, model_, scratch_ / "index");
  make(nodes);
  const auto index = VectorStoreIndex::load(place_, model_);
  EXPECT_EQ(index.size(), 504);
  std::vector<std::string> queries = {"the same text", nodes[500].text};
  for (int i = 0; i < 30; ++i) queries.push_back("question " + std::to_string(i));
  for (const std::string& query : queries) {
    const auto a = index.as_retriever(7).retrieve(query),
               b = folder.as_retriever(7).retrieve(query);
    ASSERT_EQ(ids(a), ids(b)) << query;
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].score, b[i].score);
  }
  const auto all = index.nodes(), expected = folder.nodes();
  ASSERT_EQ(all.size(), expected.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].id, expected[i].id);
    EXPECT_EQ(all[i].text, expected[i].text);
    EXPECT_EQ(all[i].metadata, expected[i].metadata);
  }
  EXPECT_EQ(index.as_retriever(2000).retrieve("x").size(), 504u);
  IndexStorage::at(place_)->verify();
}

TEST_F(PostgresIndex, EmbedsOnlyWhatChanged) {
  auto index = make(make_nodes(0, 1500));
  EXPECT_EQ(model_->embedded_texts(), 1500);
  IndexChanges changes = index.insert(make_nodes(1500, 1510));
  EXPECT_EQ(changes.added, 10);
  EXPECT_EQ(changes.unchanged, 1500);
  EXPECT_EQ(changes.embedded, 10);
  std::vector<TextNode> next = make_nodes(1505, 1520);
  next[0].text = "another text";
  next[1].metadata = R"({"page": 1})";
  changes = index.refresh(next);
  EXPECT_EQ(changes.added, 10);
  EXPECT_EQ(changes.changed, 2);
  EXPECT_EQ(changes.unchanged, 1508);
  EXPECT_EQ(changes.embedded, 11) << "new metadata is no new text";
  EXPECT_EQ(index.as_retriever(1).retrieve("another text")[0].node.id, "n1505");
  changes = index.delete_nodes(std::vector<std::string>{"n0", "n1499"});
  EXPECT_EQ(changes.removed, 2);
  EXPECT_EQ(index.size(), 1518);
  const std::string before = generation();
  index.refresh(make_nodes(3, 9));
  index.insert({});
  make(index.nodes(), {}, &changes);
  EXPECT_EQ(changes.unchanged, 1518);
  EXPECT_EQ(generation(), before) << "nothing differs, nothing is written";
  const auto embedded = model_->embedded_texts();
  std::vector<TextNode> renamed = {{"other", "passage 2"}, {"n1", "passage 1", R"({"page":1})"}};
  make(renamed, {}, &changes);
  EXPECT_EQ(changes.removed, 1517);
  EXPECT_EQ(model_->embedded_texts(), embedded) << "a text keeps its vector under another id";
  EXPECT_EQ(index.nodes()[0].id, "other");
  IndexStorage::at(place_)->verify();
}

TEST_F(PostgresIndex, ApproximateSearchFindsNearlyAll) {
  IndexOptions options;
  options.approximate = true;
  auto index = make({}, options);
  EXPECT_TRUE(index.is_approximate()) << "empty still";
  index.insert(make_nodes(0, 700));
  index.delete_nodes(std::vector<std::string>{"n7", "n450"});
  sql("ANALYZE " + in_schema("nodes_1"));
  std::string axis = "[1";
  for (int i = 1; i < 16; ++i) axis += ",0";
  std::string plan;
  for (const auto& row : sql("EXPLAIN SELECT id FROM " + in_schema("nodes_1") +
                             " ORDER BY embedding <=> '" + axis + "]' LIMIT 42"))
    plan += row[0] + "\n";
  expect_says(plan, "Index Scan using neighbours_1");
  EXPECT_TRUE(VectorStoreIndex::load(place_, model_).is_approximate());
  RetrieverOptions exact;
  exact.exact = true;
  int equal = 0;
  for (int i = 0; i < 30; ++i) {
    const auto a = index.as_retriever(10).retrieve("question " + std::to_string(i));
    const auto b = index.as_retriever(10, exact).retrieve("question " + std::to_string(i));
    for (const auto& hit : b)
      equal += std::any_of(a.begin(), a.end(), [&](const auto& x) {
        return x.node.id == hit.node.id && x.score == hit.score;
      });
  }
  EXPECT_GE(equal, 285) << "recall@10 of 30 queries";
  make(index.nodes());
  EXPECT_FALSE(index.is_approximate());
  IndexStorage::at(place_)->verify();
}

TEST_F(PostgresIndex, OtherSpacesAreRefusedAndTheRebuildWorks) {
  // Same documents, other queries; as a query-only adapter, too.
  class OtherQueries : public FakeEmbedding {
   public:
    std::string query_space() const override { return sha256("other queries"); }
  };
  class Adapter : public OtherQueries {
   public:
    std::string base_query_space() const override { return FakeEmbedding::query_space(); }
  };
  auto index = make(make_nodes(0, 20));
  const auto other = std::make_shared<FakeEmbedding>("other", 16, 2);
  const std::vector<std::shared_ptr<const BaseEmbedding>> strangers = {
      other, std::make_shared<FakeEmbedding>("wide", 24), std::make_shared<OtherQueries>()};
  for (const auto& stranger : strangers) {
    IndexOptions options;
    options.model = "stranger";
    const std::string told = message_of([&] { VectorStoreIndex::load(place_, stranger, options); });
    expect_says(told, "made with the model 'fake'");
    expect_says(told, "model 'stranger'");
    expect_says(told, "attune index build 'postgresql://");
  }
  // No document is embedded for an adapter, and the index stays its base's.
  const auto adapter = std::make_shared<Adapter>();
  EXPECT_EQ(VectorStoreIndex::load(place_, adapter).as_retriever(3).retrieve("x").size(), 3u);
  const std::string before = generation();
  VectorStoreIndex::from_documents(make_nodes(0, 20), adapter, place_);
  EXPECT_EQ(adapter->embedded_texts(), 0);
  EXPECT_EQ(generation(), before);
  // Rebuilt by somebody with another model: whoever has it open is refused, searching and adding.
  auto rebuilt = VectorStoreIndex::from_documents(make_nodes(0, 20), other, place_);
  expect_says(message_of([&] { index.as_retriever(1).retrieve("x"); }), "'other'");
  expect_says(message_of([&] { index.insert(make_nodes(30, 31)); }), "'other'");
  expect_says(message_of([&] { index.reopen(); }), "'other'");
  EXPECT_EQ(rebuilt.as_retriever(1).retrieve("passage 3")[0].node.id, "n3");
  // Other numbers a vector, and back.
  VectorStoreIndex::from_documents(make_nodes(0, 20), strangers[1], place_);
  make(make_nodes(0, 20));
  EXPECT_EQ(index.as_retriever(1).retrieve("passage 3")[0].node.id, "n3");
  // Another query prompt alone embeds nothing.
  IndexChanges changes;
  VectorStoreIndex::from_documents(make_nodes(0, 20), strangers[2], place_, {}, &changes);
  EXPECT_EQ(changes.embedded, 0);
  IndexStorage::at(place_)->verify();
}

TEST_F(PostgresIndex, TwentyWaysToMixAreTwentyRefusals) {
  MixedSpaces spaces([this](const std::string& name) { return place_ + " " + name; });
  spaces.expect_twenty_refusals();
  spaces.expect_the_same_space_is_taken();
}

TEST_F(PostgresIndex, TheRebuildThatIsNamedWorks) {
  MixedSpaces([this](const std::string& name) {
    return place_ + " " + name;
  }).expect_the_rebuild_works();
}

TEST_F(PostgresIndex, RowsOfAnotherHandAreNoAnswers) {
  const std::string nodes = in_schema("nodes_1"), manifest = in_schema("attune_index");
  const auto foreign = std::make_shared<FakeEmbedding>("other", 16, 2);
  std::string vector;
  for (const float x : foreign->get_text_embedding("passage 3")) vector += "," + std::to_string(x);
  const std::vector<std::string> edits = {
      "UPDATE " + nodes + " SET embedding = '[" + vector.substr(1) + "]' WHERE id = 'n3'",
      "UPDATE " + nodes + " SET text = 'forged' WHERE id = 'n3'",
      "UPDATE " + nodes + " SET metadata = '{}' WHERE id = 'n3'",
      "UPDATE " + nodes + " SET id = 'forged' WHERE id = 'n3'",
      "INSERT INTO " + nodes + " SELECT 'forged', 99, text, metadata, embedding, sha256 FROM " +
          nodes + " WHERE id = 'n3'",
      "UPDATE " + manifest + " SET document_space = '" + foreign->document_space() + "'"};
  for (const std::string& edit : edits) {
    sql("DROP SCHEMA IF EXISTS " + in_schema("").substr(0, in_schema("").size() - 1) + " CASCADE");
    auto index = make(make_nodes(0, 20));
    sql(edit);
    message_of([&] { IndexStorage::at(place_)->verify(); });
    message_of([&] { index.as_retriever(20).retrieve("x"); });
    make(make_nodes(0, 20));
    IndexStorage::at(place_)->verify();
  }
  sql("DELETE FROM " + in_schema("nodes_2") + " WHERE id = 'n3'");
  expect_says(message_of([&] { IndexStorage::at(place_)->verify(); }), "19 nodes");
}

TEST_F(PostgresIndex, MistakesAreToldWithTheirRemedy) {
  expect_says(message_of([&] { VectorStoreIndex::load(place_, model_); }), "there is no index");
  const std::string secret =
      "postgresql://user:sesame@localhost:1/db?connect_timeout=2&password=sesame";
  const std::string told =
      message_of([&] { VectorStoreIndex::load(secret + "#x", model_); }, ErrorKind::kResources);
  expect_says(told, "postgresql://user@localhost:1/db?connect_timeout=2#x: no connection: ");
  EXPECT_EQ(told.find("sesame"), std::string::npos) << told;
  expect_says(message_of(
                  [&] {
                    VectorStoreIndex::from_documents(make_nodes(0, 1), model_,
                                                     std::getenv("ATTUNE_POSTGRES_BARE"));
                  },
                  ErrorKind::kResources),
              "CREATE EXTENSION vector");
  const std::string schema = in_schema("").substr(0, in_schema("").size() - 1);
  sql("CREATE SCHEMA " + schema);
  sql("CREATE TABLE " + in_schema("thesis") + " (page text)");
  expect_says(message_of([&] { make(make_nodes(0, 1)); }), "holds the table 'thesis'");
  sql("ALTER TABLE " + in_schema("thesis") + " RENAME TO attune_index");
  expect_says(message_of([&] { make(make_nodes(0, 1)); }), "is not an index's");
  sql("DROP SCHEMA " + schema + " CASCADE");

  auto index = make(make_nodes(0, 5));
  expect_says(message_of([&] { index.insert(std::vector<TextNode>{{"n3", "a"}}); }),
              "is there already");
  expect_says(message_of([&] { index.insert(std::vector<TextNode>{{"x", "a"}, {"x", "b"}}); }),
              "ids must differ");
  const std::vector<std::string> unknown = {"n1", "n77"};
  expect_says(message_of([&] { index.delete_nodes(unknown); }), "no node 'n77'");
  const std::string nul("n\0x", 3);
  for (const TextNode& node : {TextNode{"x", nul}, TextNode{nul, "x"}})
    expect_says(message_of([&] { index.insert(std::span(&node, 1)); }), "U+0000");
  for (const std::string& id : {nul, std::string("\xff")})
    expect_says(message_of([&] { index.delete_nodes(std::span(&id, 1)); }), "there is no node");
  std::string longest;
  for (int i = 0; i < 200; ++i) longest += sha256(std::to_string(i));
  expect_says(message_of([&] { index.insert(std::vector<TextNode>{{longest, "x"}}); }),
              "give shorter ones");
  class NoNumber : public FakeEmbedding {
    void embed(Role, std::span<const std::string_view>, std::span<float> out) const override {
      std::fill(out.begin(), out.end(), NAN);
    }
  };
  expect_says(
      message_of([&] {
        VectorStoreIndex::load(place_, std::make_shared<NoNumber>()).as_retriever(1).retrieve("x");
      }),
      "the embedding of query 0 holds NaN");
  IndexOptions approximate;
  approximate.approximate = true;
  expect_says(message_of([&] {
                VectorStoreIndex::from_documents(make_nodes(0, 2),
                                                 std::make_shared<FakeEmbedding>("wide", 2100),
                                                 place_, approximate);
              }),
              "leave it out");
  const std::string old = std::getenv("ATTUNE_POSTGRES_OLD");
  expect_says(
      message_of(
          [&] { VectorStoreIndex::from_documents(make_nodes(0, 2), model_, old, approximate); },
          ErrorKind::kResources),
      "ALTER EXTENSION vector UPDATE");
  VectorStoreIndex::from_documents(make_nodes(0, 2), model_, old);
  EXPECT_EQ(generation(), "1");
  EXPECT_EQ(index.size(), 5);
}

TEST_F(PostgresIndex, OneWritesAtATimeAndReadersGoOn) {
  make(make_nodes(0, 5));
  std::string told;
  const auto reader = VectorStoreIndex::load(place_, model_);
  const auto busy = std::make_shared<Disturbed>(
      [&] {
        auto second = VectorStoreIndex::load(place_, model_);
        told = message_of([&] { second.insert(make_nodes(5, 6)); }, ErrorKind::kResources);
        EXPECT_EQ(reader.as_retriever(9).retrieve("x").size(), 5u);
      },
      1);
  VectorStoreIndex::load(place_, busy).insert(make_nodes(7, 9));
  expect_says(told, "another process writes");
  EXPECT_EQ(reader.size(), 7);
}

// A transaction that somebody left open keeps no reader waiting, and a writer not for ever.
TEST_F(PostgresIndex, AnotherClientsLocksAreWaitedForShortlyAndTold) {
  place_ = address_ + "&options=-c%20lock_timeout%3D300#" + schema_;
  auto index = make(make_nodes(0, 5));
  EXPECT_FALSE(index.reopen()) << "its own change";
  const auto other = std::make_shared<FakeEmbedding>("other", 16, 2);
  {
    PostgresTransaction reads(*server_, Kind::kRead);
    reads.run("SELECT id FROM " + in_schema("nodes_1"));
    VectorStoreIndex::from_documents(make_nodes(0, 6), other, place_);
    EXPECT_EQ(reads.run("SELECT id FROM " + in_schema("nodes_1")).size(), 5u);
    EXPECT_EQ(VectorStoreIndex::load(place_, other).as_retriever(9).retrieve("x").size(), 6u);
  }
  {
    PostgresTransaction writes(*server_, Kind::kWrite);
    writes.run("UPDATE " + in_schema("attune_index") + " SET generation = 9");
    auto second = VectorStoreIndex::load(place_, other);
    expect_says(message_of([&] { second.insert(make_nodes(8, 9)); }, ErrorKind::kResources),
                "another client's transaction");
    EXPECT_EQ(second.size(), 6);
  }
  make(make_nodes(0, 5));
  EXPECT_TRUE(index.reopen());
  const auto tables =
      sql("SELECT relname FROM pg_class WHERE relname ~ '^nodes_[0-9]+$' AND "
          "relnamespace = '" +
          quoted_schema() + "'::regnamespace");
  EXPECT_EQ(tables.size(), 1u) << "what stayed behind is removed with the next change of model";
}

TEST_F(PostgresIndex, AStopAndALostConnectionLeaveItAsItWas) {
  auto index = make(make_nodes(0, 5));
  IndexOptions options;
  int asked = 0;
  options.stop_requested = [&] { return ++asked > 2; };
  message_of([&] { make(make_nodes(0, 5000), options); }, ErrorKind::kInterrupted);
  EXPECT_EQ(index.size(), 5);
  const auto cut = std::make_shared<Disturbed>(
      [&] {
        sql("SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity "
            "WHERE state = 'idle in transaction' AND pid <> pg_backend_pid()");
      },
      2);
  const std::string told =
      message_of([&] { VectorStoreIndex::from_documents(make_nodes(0, 3000), cut, place_); },
                 ErrorKind::kResources);
  EXPECT_EQ(told.find("postgresql://"), 0u) << told;
  EXPECT_EQ(generation(), "1");
  EXPECT_EQ(index.size(), 5) << "its own connection, cut too, is made again";
  index.insert(make_nodes(5, 6));
  IndexStorage::at(place_)->verify();
}

// Old: 30 nodes of one model. New: 490 of another, which is another table, with its HNSW index.
TEST_F(PostgresIndex, AKillAtAnyTimeLeavesTheOldOrTheNew) {
  IndexOptions options;
  options.approximate = true;
  const auto other = std::make_shared<FakeEmbedding>("other", 16, 2);
  const auto old_nodes = make_nodes(0, 30), new_nodes = make_nodes(10, 500);
  int old = 0;
  constexpr int kRounds = 10;
  for (int round = 1; round <= kRounds; ++round) {
    VectorStoreIndex::from_documents(old_nodes, model_, place_);
    const pid_t child = ::fork();
    if (child == 0) {
      VectorStoreIndex::from_documents(new_nodes, other, place_, options);
      ::_exit(0);
    }
    if (round < kRounds) {  // the last one ends by itself
      ::usleep(static_cast<useconds_t>(12000 * round));
      ::kill(child, SIGKILL);
    }
    ::waitpid(child, nullptr, 0);
    const auto storage = IndexStorage::at(place_);
    storage->verify();
    const auto held = storage->held();
    EXPECT_EQ(held.nodes, std::ssize(held.space.model == "fake" ? old_nodes : new_nodes));
    old += held.space.model == "fake" ? 1 : 0;
    // The server gives the dead client's lock back when it sees that it is gone.
    for (int turn = 0;; ++turn) try {
        VectorStoreIndex::from_documents(old_nodes, model_, place_);
        break;
      } catch (const Error& error) {
        ASSERT_EQ(error.kind(), ErrorKind::kResources);
        ASSERT_LT(turn, 200) << error.what();
        ::usleep(50000);
      }
  }
  EXPECT_GT(old, 0) << "nothing was killed in the middle";
  EXPECT_LT(old, kRounds) << "nothing was written";
}

// Every state holds texts of one number alone, in vectors of one model of two.
TEST_F(PostgresIndex, ReadersNeverSeeAMixture) {
  const std::shared_ptr<FakeEmbedding> models[] = {model_,
                                                   std::make_shared<FakeEmbedding>("other", 24, 2)};
  const auto nodes_of = [](int round) {
    return make_nodes(0, 40 + round % 3, "round " + std::to_string(round) + " text ");
  };
  make(nodes_of(0));
  std::atomic<bool> done{false};
  std::atomic<int> looked{0}, refused{0};
  const auto look = [&](int which) {
    const auto storage = IndexStorage::at(place_);
    const IndexModel model{models[which], "reader", {}};
    const auto query = models[which]->get_query_embedding("a question");
    while (!done) {
      try {
        const auto hits = storage->search(model, query, 50, {})[0];
        std::set<std::string> rounds;
        for (const auto& hit : hits)
          rounds.insert(hit.node.text.substr(0, hit.node.text.rfind(" t")));
        ASSERT_EQ(rounds.size(), 1u);
        const int round = std::stoi(rounds.begin()->substr(6));
        ASSERT_EQ(static_cast<int>(hits.size()), 40 + round % 3);
        ASSERT_EQ(round / 4 % 2, which);
        ++looked;
      } catch (const Error& error) {
        ASSERT_NE(std::string(error.what()).find("does not belong to it"), std::string::npos)
            << error.what();
        ++refused;
      }
    }
  };
  std::thread first([&] { look(0); }), second([&] { look(1); });
  for (int round = 1; round <= 24; ++round)
    VectorStoreIndex::from_documents(nodes_of(round), models[round / 4 % 2], place_);
  done = true;
  first.join();
  second.join();
  EXPECT_GT(looked, 10);
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace attune
