#include "core/postgres.h"

#include <cerrno>
#include <cstdlib>
#include <type_traits>
#include <utility>

#include <dlfcn.h>
#include <libpq-fe.h>
#include <poll.h>

namespace attune {
namespace {

constexpr const char* kLibrary = "libpq.so.5";
constexpr int kPollMilliseconds = 200;
constexpr std::string_view kLocked = "55P03";  // lock_timeout

// Of libpq, what is used.
struct Pq {
  decltype(&PQconnectdbParams) connectdbParams;
  decltype(&PQfinish) finish;
  decltype(&PQstatus) status;
  decltype(&PQerrorMessage) errorMessage;
  decltype(&PQsetNoticeProcessor) setNoticeProcessor;
  decltype(&PQsendQueryParams) sendQueryParams;
  decltype(&PQconsumeInput) consumeInput;
  decltype(&PQisBusy) isBusy;
  decltype(&PQsocket) socket;
  decltype(&PQgetResult) getResult;
  decltype(&PQgetCancel) getCancel;
  decltype(&PQcancel) cancel;
  decltype(&PQfreeCancel) freeCancel;
  decltype(&PQresultStatus) resultStatus;
  decltype(&PQresultErrorField) resultErrorField;
  decltype(&PQntuples) ntuples;
  decltype(&PQnfields) nfields;
  decltype(&PQgetvalue) getvalue;
  decltype(&PQgetlength) getlength;
  decltype(&PQclear) clear;
  decltype(&PQescapeIdentifier) escapeIdentifier;
  decltype(&PQfreemem) freemem;
};

Pq open_library() {
  void* const library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    throw_error(ErrorKind::kResources, kLibrary, ": cannot be opened (", ::dlerror(),
                "): PostgreSQL needs libpq: apt install libpq5");
  const auto find = [&](const char* name, auto& function) {
    function =
        reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
    if (function == nullptr)
      throw_error(ErrorKind::kResources, kLibrary, ": has no ", name,
                  ": PostgreSQL needs libpq: apt install --reinstall libpq5");
  };
  Pq out{};
  find("PQconnectdbParams", out.connectdbParams);
  find("PQfinish", out.finish);
  find("PQstatus", out.status);
  find("PQerrorMessage", out.errorMessage);
  find("PQsetNoticeProcessor", out.setNoticeProcessor);
  find("PQsendQueryParams", out.sendQueryParams);
  find("PQconsumeInput", out.consumeInput);
  find("PQisBusy", out.isBusy);
  find("PQsocket", out.socket);
  find("PQgetResult", out.getResult);
  find("PQgetCancel", out.getCancel);
  find("PQcancel", out.cancel);
  find("PQfreeCancel", out.freeCancel);
  find("PQresultStatus", out.resultStatus);
  find("PQresultErrorField", out.resultErrorField);
  find("PQntuples", out.ntuples);
  find("PQnfields", out.nfields);
  find("PQgetvalue", out.getvalue);
  find("PQgetlength", out.getlength);
  find("PQclear", out.clear);
  find("PQescapeIdentifier", out.escapeIdentifier);
  find("PQfreemem", out.freemem);
  return out;
}

const Pq& pq() {
  static const Pq opened = open_library();
  return opened;
}

void ignore_notice(void*, const char*) {}

std::string one_line(const char* message) {
  std::string line;
  for (const char* c = message == nullptr ? "" : message; *c != '\0'; ++c)
    line += *c == '\n' || *c == '\t' ? ' ' : *c;
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

// By the classes of SQLSTATE (PostgreSQL's documentation, appendix A): what lies with the server,
// its room or its rights, and not with what was sent.
ErrorKind kind_of(const std::string& state) {
  for (const char* server_side : {"08", "25006", "28", "42501", "53", "55", "57", "58"})
    if (state.starts_with(server_side)) return ErrorKind::kResources;
  return ErrorKind::kData;
}

}  // namespace

class PostgresServer::Connection {
 public:
  Connection(const std::string& url, const std::string& place) : place_(place) {
    std::vector<const char*> keys, values;
    const auto set = [&](const char* key, const char* value) {
      keys.push_back(key);
      values.push_back(value);
    };
    if (std::getenv("PGCONNECT_TIMEOUT") == nullptr) set("connect_timeout", "10");
    set("dbname", url.c_str());  // after what it may overrule, before what it may not
    set("fallback_application_name", "attune");
    set("client_encoding", "UTF8");
    set(nullptr, nullptr);
    connection_ = pq().connectdbParams(keys.data(), values.data(), 1);
    if (connection_ == nullptr)
      throw_error(ErrorKind::kResources, place_, ": no memory for a connection");
    if (pq().status(connection_) != CONNECTION_OK) {
      const std::string why = one_line(pq().errorMessage(connection_));
      pq().finish(connection_);
      throw_error(ErrorKind::kResources, place_, ": no connection: ", why,
                  "; check server, host, port, user, database and password (PGPASSWORD, "
                  "~/.pgpass)");
    }
    pq().setNoticeProcessor(connection_, ignore_notice, nullptr);
  }
  ~Connection() { pq().finish(connection_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  std::vector<PostgresTransaction::Row> run(const std::string& sql,
                                            std::span<const std::string> values,
                                            const std::function<bool()>& stop) {
    std::vector<const char*> bound;
    for (const std::string& value : values) {
      ATTUNE_ASSERT(value.find('\0') == std::string::npos);  // libpq would cut it there
      bound.push_back(value.c_str());
    }
    if (pq().sendQueryParams(connection_, sql.c_str(), static_cast<int>(bound.size()), nullptr,
                             bound.data(), nullptr, nullptr, 1) != 1)
      throw_lost();
    const bool stopped = wait(stop);
    std::vector<PostgresTransaction::Row> rows;
    std::string message, state;
    while (PGresult* const result = pq().getResult(connection_)) {
      const auto status = pq().resultStatus(result);
      if (status == PGRES_TUPLES_OK) {
        append_rows(*result, rows);
      } else if (status != PGRES_COMMAND_OK) {
        const char* text = pq().resultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
        message = one_line(text != nullptr ? text : pq().errorMessage(connection_));
        const char* code = pq().resultErrorField(result, PG_DIAG_SQLSTATE);
        state = code != nullptr ? code : PostgresFailure::kConnectionLost;
      }
      pq().clear(result);
    }
    if (pq().status(connection_) != CONNECTION_OK) throw_lost();
    if (stopped) throw_error(ErrorKind::kInterrupted, place_, ": stopped; nothing was changed");
    if (!state.empty())
      throw PostgresFailure(kind_of(state),
                            str_cat(place_, ": the server says: ", message, " (", state, ")",
                                    state == kLocked ? "; another client's transaction holds it: "
                                                       "pg_stat_activity shows whose, end it, or "
                                                       "try again later"
                                                     : ""),
                            state);
    return rows;
  }

  std::string quoted_name(std::string_view name) const {
    char* const quoted = pq().escapeIdentifier(connection_, name.data(), name.size());
    if (quoted == nullptr)
      throw_error(ErrorKind::kConfig, place_, ": '", name,
                  "' is no name: ", one_line(pq().errorMessage(connection_)));
    std::string out = quoted;
    pq().freemem(quoted);
    return out;
  }

 private:
  [[noreturn]] void throw_lost() const {
    throw PostgresFailure(ErrorKind::kResources,
                          str_cat(place_, ": the connection to the server was lost (",
                                  one_line(pq().errorMessage(connection_)),
                                  "); what was not committed is undone, try again"),
                          PostgresFailure::kConnectionLost);
  }
  // Until the answer is there. True: it was cancelled.
  bool wait(const std::function<bool()>& stop) {
    bool stopped = false;
    while (pq().isBusy(connection_) != 0) {
      pollfd waited{pq().socket(connection_), POLLIN, 0};
      if (::poll(&waited, 1, kPollMilliseconds) < 0 && errno != EINTR)
        throw_error(ErrorKind::kResources, place_, ": cannot wait for the server");
      if (!stopped && stop && stop()) {
        stopped = true;
        cancel();
      }
      if ((waited.revents != 0 || stopped) && pq().consumeInput(connection_) != 1) throw_lost();
    }
    return stopped;
  }
  void cancel() {
    PGcancel* const request = pq().getCancel(connection_);
    char why[256];
    if (request != nullptr) pq().cancel(request, why, sizeof why);
    pq().freeCancel(request);
  }
  static void append_rows(const PGresult& result, std::vector<PostgresTransaction::Row>& rows) {
    for (int row = 0; row < pq().ntuples(&result); ++row) {
      rows.emplace_back();
      for (int column = 0; column < pq().nfields(&result); ++column)
        rows.back().emplace_back(pq().getvalue(&result, row, column),
                                 static_cast<std::size_t>(pq().getlength(&result, row, column)));
    }
  }

  std::string place_;
  PGconn* connection_;
};

PostgresServer::PostgresServer(std::string url, std::string place)
    : url_(std::move(url)), place_(std::move(place)) {}
PostgresServer::~PostgresServer() = default;

std::unique_ptr<PostgresServer::Connection> PostgresServer::take_idle() {
  const std::scoped_lock lock(mutex_);
  if (idle_.empty()) return nullptr;
  auto taken = std::move(idle_.back());
  idle_.pop_back();
  return taken;
}

PostgresTransaction::PostgresTransaction(PostgresServer& server, Kind kind,
                                         std::function<bool()> stop)
    : server_(server), stop_(std::move(stop)) {
  const char* begin = kind == Kind::kRead ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
                                          : "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
  // The server may have closed the connections that waited here: they are tried first.
  while ((connection_ = server_.take_idle())) {
    try {
      connection_->run(begin, {}, stop_);
      open_ = true;
      return;
    } catch (const PostgresFailure& failure) {
      if (failure.state() != PostgresFailure::kConnectionLost && !failure.state().starts_with("57"))
        throw;
    }
  }
  connection_ = std::make_unique<PostgresServer::Connection>(server_.url_, server_.place_);
  connection_->run(begin, {}, stop_);
  open_ = true;
}

PostgresTransaction::~PostgresTransaction() {
  try {
    if (open_) connection_->run("ROLLBACK", {}, {});
    const std::scoped_lock lock(server_.mutex_);
    server_.idle_.push_back(std::move(connection_));
  } catch (const std::exception&) {  // the connection ends with this, and the server rolls back
  }
}

std::vector<PostgresTransaction::Row> PostgresTransaction::run(
    const std::string& sql, std::span<const std::string> values) {
  return connection_->run(sql, values, stop_);
}

void PostgresTransaction::commit() {
  try {
    connection_->run("COMMIT", {}, {});
  } catch (const PostgresFailure& failure) {
    if (failure.state() != PostgresFailure::kConnectionLost) throw;
    throw PostgresFailure(failure.kind(),
                          str_cat(server_.place_,
                                  ": the connection was lost while the change was confirmed: it is "
                                  "made as a whole or not at all; look, and repeat it if need be"),
                          failure.state());
  }
  open_ = false;
}

std::string PostgresTransaction::quoted_name(std::string_view name) const {
  return connection_->quoted_name(name);
}

std::string postgres_array(std::span<const std::string> texts) {
  std::string literal = "{";
  for (const std::string& text : texts) {
    literal += literal.size() > 1 ? ",\"" : "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') literal += '\\';
      literal += c;
    }
    literal += '"';
  }
  return literal + "}";
}

}  // namespace attune
