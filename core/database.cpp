#include "core/database.h"

#include <chrono>
#include <filesystem>
#include <thread>

#include <sqlite3.h>

#include "core/durable.h"
#include "core/error.h"

namespace attune {
namespace {

constexpr int kPatienceMs = 60000;

class Statement {
 public:
  Statement(sqlite3* handle, const std::string& sql) {
    ok = sqlite3_prepare_v2(handle, sql.c_str(), static_cast<int>(sql.size()), &statement,
                            nullptr) == SQLITE_OK;
  }
  ~Statement() { sqlite3_finalize(statement); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  bool bind(const Database::Row& values) {
    for (int i = 0; i < static_cast<int>(values.size()); ++i) {
      const Database::Value& value = values[i];
      int code = SQLITE_OK;
      if (const auto* number = std::get_if<std::int64_t>(&value))
        code = sqlite3_bind_int64(statement, i + 1, *number);
      else if (const auto* text = std::get_if<std::string>(&value))
        code = sqlite3_bind_text64(statement, i + 1, text->data(), text->size(), SQLITE_TRANSIENT,
                                   SQLITE_UTF8);
      else if (const auto* bytes = std::get_if<Database::Bytes>(&value))
        code =
            sqlite3_bind_blob64(statement, i + 1, bytes->data(), bytes->size(), SQLITE_TRANSIENT);
      if (code != SQLITE_OK) return false;
    }
    return true;
  }
  Database::Row row() const {
    Database::Row row(sqlite3_column_count(statement));
    for (int i = 0; i < static_cast<int>(row.size()); ++i) {
      const int type = sqlite3_column_type(statement, i);
      if (type == SQLITE_INTEGER) row[i] = std::int64_t{sqlite3_column_int64(statement, i)};
      if (type == SQLITE_TEXT)
        row[i] = std::string(reinterpret_cast<const char*>(sqlite3_column_text(statement, i)),
                             sqlite3_column_bytes(statement, i));
      if (type == SQLITE_BLOB) {
        const auto* begin = static_cast<const std::byte*>(sqlite3_column_blob(statement, i));
        row[i] = Database::Bytes(begin, begin + sqlite3_column_bytes(statement, i));
      }
    }
    return row;
  }

  sqlite3_stmt* statement = nullptr;
  bool ok = false;
};

}  // namespace

Database::Database(const std::string& path) : path_(path) {
  if (const auto folder = std::filesystem::path(path).parent_path(); !folder.empty())
    make_directories_durably(folder.string());
  if (sqlite3_open_v2(path.c_str(), &handle_,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                      nullptr) != SQLITE_OK) {
    const std::string why = handle_ ? sqlite3_errmsg(handle_) : "out of memory";
    sqlite3_close(handle_);
    throw_error(ErrorKind::kResources, path, ": cannot be opened: ", why);
  }
  try {
    sqlite3_busy_timeout(handle_, kPatienceMs);
    turn_to_wal();
    run("PRAGMA synchronous=FULL");
    run("PRAGMA foreign_keys=ON");
  } catch (...) {
    sqlite3_close(handle_);
    throw;
  }
}

// While another process turns the same new file, SQLite answers "busy" at once, without the
// patience that it has elsewhere.
void Database::turn_to_wal() {
  constexpr int kPauseMs = 5;
  for (int waited = 0; waited < kPatienceMs; waited += kPauseMs) {
    const int code =
        sqlite3_exec(handle_, "PRAGMA journal_mode=WAL", nullptr, nullptr, nullptr) & 0xff;
    if (code == SQLITE_OK) return;
    if (code != SQLITE_BUSY && code != SQLITE_LOCKED) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(kPauseMs));
  }
  fail("PRAGMA journal_mode=WAL");
}

Database::~Database() { sqlite3_close(handle_); }

void Database::fail(const std::string& what) const {
  const int code = sqlite3_errcode(handle_) & 0xff;
  const std::string message = sqlite3_errmsg(handle_);
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
    throw_error(ErrorKind::kData, path_, ": ", message,
                "; it is damaged or not attune's: move it away, and a new one is made");
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
    throw_error(ErrorKind::kResources, path_, ": another process has been writing for ",
                kPatienceMs / 1000, " s; try again when it has ended");
  if (code == SQLITE_READONLY || code == SQLITE_CANTOPEN || code == SQLITE_FULL)
    throw_error(ErrorKind::kResources, path_, ": ", message,
                "; it and the files beside it must be writable, also to be read: make room, or "
                "give a place that can be written");
  throw_error(ErrorKind::kResources, path_, ": ", what, ": ", message);
}

std::vector<Database::Row> Database::run(const std::string& sql, const Row& values) {
  Statement statement(handle_, sql);
  if (!statement.ok || !statement.bind(values)) fail(sql);
  std::vector<Row> rows;
  for (;;) {
    const int code = sqlite3_step(statement.statement);
    if (code == SQLITE_DONE) return rows;
    if (code != SQLITE_ROW) fail(sql);
    rows.push_back(statement.row());
  }
}

void Database::Rollback::commit() {
  database->run("COMMIT");
  database = nullptr;
}

Database::Rollback::~Rollback() {
  if (database) sqlite3_exec(database->handle_, "ROLLBACK", nullptr, nullptr, nullptr);
}

}  // namespace attune
