// PostgreSQL through the system's libpq, which is opened at the first connection and linked
// nowhere, as libcurl is (core/http_client.h). Values are always bound, never put into a statement.
//
// A server's address is a URL as psql takes it, postgresql://USER@HOST:PORT/DATABASE?OPTIONS; what
// it leaves out comes from libpq's environment (PGHOST, PGUSER, PGPASSWORD, ...) and ~/.pgpass.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace attune {

// A statement that the server refused. state(): SQLSTATE, five characters; kConnectionLost where
// the connection ended, and with it the transaction.
class PostgresFailure : public Error {
 public:
  static constexpr const char* kConnectionLost = "08006";
  PostgresFailure(ErrorKind kind, const std::string& message, std::string state)
      : Error(kind, message), state_(std::move(state)) {}
  const std::string& state() const { return state_; }

 private:
  std::string state_;
};

// The connections to one database. Thread-safe; transactions that run at the same time have one
// each, and those that ended well are kept for the next.
class PostgresServer {
 public:
  // Connects to nothing yet. `place` stands at the beginning of messages, for the URL may hold a
  // password.
  PostgresServer(std::string url, std::string place);
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  class Connection;

 private:
  friend class PostgresTransaction;
  std::unique_ptr<Connection> take_idle();
  const std::string url_, place_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

// All that is done in it is done when commit() returns, or nothing is. Used by one thread.
class PostgresTransaction {
 public:
  enum class Kind : std::uint8_t {
    kRead,  // one state of the database, whatever others commit meanwhile
    kWrite  // each statement sees what was committed before it
  };
  // `stop` is asked five times a second while a statement runs: true cancels it, and is
  // Error{kInterrupted}. Error{kResources}: no libpq, no server, not let in.
  PostgresTransaction(PostgresServer& server, Kind kind, std::function<bool()> stop = {});
  ~PostgresTransaction();  // takes everything back unless committed
  PostgresTransaction(const PostgresTransaction&) = delete;
  PostgresTransaction& operator=(const PostgresTransaction&) = delete;

  using Row = std::vector<std::string>;  // null is ""
  // One statement with the values of $1, $2, ... as text, which hold no NUL. Columns come as the
  // server's binary form: text as it is, numbers best cast to text. PostgresFailure.
  std::vector<Row> run(const std::string& sql, std::span<const std::string> values = {});
  std::vector<Row> run(const std::string& sql, std::initializer_list<std::string> values) {
    return run(sql, std::span(values.begin(), values.size()));
  }
  void commit();

  std::string quoted_name(std::string_view name) const;  // for a table's or schema's name in SQL

 private:
  PostgresServer& server_;
  std::function<bool()> stop_;
  std::unique_ptr<PostgresServer::Connection> connection_;
  bool open_ = false;
};

// The literal of a PostgreSQL array of these texts, to be bound as one value.
std::string postgres_array(std::span<const std::string> texts);

}  // namespace attune
