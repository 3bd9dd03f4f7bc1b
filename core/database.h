// SQLite in the few ways that attune uses it. Every commit is on disk before it returns
// (synchronous=FULL), a killed process leaves the state of the last commit, and writers of other
// processes are waited for. The file belongs on a local file system: SQLite's locks do not hold on
// every network's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

struct sqlite3;

namespace attune {

class Database {
 public:
  using Bytes = std::vector<std::byte>;  // a BLOB
  using Value = std::variant<std::nullptr_t, std::int64_t, std::string, Bytes>;
  using Row = std::vector<Value>;

  // Makes the file and its folders. Error{kResources}: it cannot be opened or written; {kData}: it
  // is no database, or a damaged one.
  explicit Database(const std::string& path);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // One statement with its `?` in order.
  std::vector<Row> run(const std::string& sql, const Row& values = {});

  // All of `body` or nothing; no other process writes meanwhile. Not to be nested.
  template <class Body>
  auto transaction(const Body& body) {
    run("BEGIN IMMEDIATE");
    Rollback rollback{this};
    if constexpr (std::is_void_v<decltype(body())>) {
      body();
      rollback.commit();
    } else {
      auto result = body();
      rollback.commit();
      return result;
    }
  }

 private:
  struct Rollback {
    Database* database;
    void commit();
    ~Rollback();
  };
  void turn_to_wal();
  [[noreturn]] void fail(const std::string& what) const;

  std::string path_;
  sqlite3* handle_ = nullptr;
};

}  // namespace attune
