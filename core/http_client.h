// POST of JSON over HTTP and HTTPS, through the system's libcurl. The library is opened at the
// first request and linked nowhere, so that programs start as fast, and on machines without it
// (docs/decisions/015-llm.md). What a network does is a result, never an exception.
//
// Certificates are verified (SSL_CERT_FILE or CURL_CA_BUNDLE name other authorities than the
// system's), proxies are those of curl's environment variables, and redirects are not followed: the
// headers may hold a key that is meant for one server alone. Connections are kept open, a request
// on one that the server has closed meanwhile is sent once more by libcurl.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace attune {

struct HttpRequest {
  std::string url;                        // http:// or https://
  std::string body;                       // JSON
  std::vector<std::string> headers = {};  // "Name: value", beside Content-Type; never told
  double connect_seconds = 10;
  double total_seconds = 120;  // from the first moment to the last byte of the answer
  std::size_t max_bytes = std::size_t{16} << 20;  // of the answer
  std::function<bool()> stop = {};                // asked once a second and as bytes come
};

enum class HttpFailure : std::uint8_t {
  kNone,       // there is an answer, of whatever status
  kTransport,  // no such host, refused, timed out, cut off: may go well another time
  kTooLarge,   // the answer exceeds max_bytes
  kUntrusted,  // the server's certificate
  kStopped     // by HttpRequest::stop
};

struct HttpResult {
  HttpFailure failure = HttpFailure::kNone;
  std::string message;  // why, with the host; of a failure
  int status = 0;
  std::int64_t retry_after_seconds = 0;  // of Retry-After, given in seconds or as a date
  std::string content_type, redirect;    // redirect: where a 3xx points to
  std::string body;
};

// Thread-safe; every request that runs at the same time has a connection of its own.
class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  // Error{kResources}: no libcurl. Error{kConfig}: the URL is neither http:// nor https://.
  HttpResult post_json(const HttpRequest& request);

 private:
  class Connection;
  std::unique_ptr<Connection> take();
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace attune
