#include "core/http_client.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <curl/curl.h>
#include <dlfcn.h>

#include "core/error.h"

namespace attune {
namespace {

// Of libcurl, what is used. The macros of curl.h that check types do not see these names.
struct Curl {
  decltype(&curl_global_init) global_init;
  decltype(&curl_easy_init) easy_init;
  decltype(&curl_easy_setopt) easy_setopt;
  decltype(&curl_easy_perform) easy_perform;
  decltype(&curl_easy_getinfo) easy_getinfo;
  decltype(&curl_easy_strerror) easy_strerror;
  decltype(&curl_easy_reset) easy_reset;
  decltype(&curl_easy_cleanup) easy_cleanup;
  decltype(&curl_slist_append) slist_append;
  decltype(&curl_slist_free_all) slist_free_all;
};

constexpr const char* kLibrary = "libcurl.so.4";

Curl open_curl() {
  void* const library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    throw_error(ErrorKind::kResources, kLibrary, ": cannot be opened (", ::dlerror(),
                "): HTTP needs libcurl: apt install libcurl4");
  const auto find = [&](const char* name, auto& function) {
    function =
        reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
    if (function == nullptr)
      throw_error(ErrorKind::kResources, kLibrary, ": has no ", name,
                  ": HTTP needs libcurl: apt install --reinstall libcurl4");
  };
  Curl out{};
  find("curl_global_init", out.global_init);
  find("curl_easy_init", out.easy_init);
  find("curl_easy_setopt", out.easy_setopt);
  find("curl_easy_perform", out.easy_perform);
  find("curl_easy_getinfo", out.easy_getinfo);
  find("curl_easy_strerror", out.easy_strerror);
  find("curl_easy_reset", out.easy_reset);
  find("curl_easy_cleanup", out.easy_cleanup);
  find("curl_slist_append", out.slist_append);
  find("curl_slist_free_all", out.slist_free_all);
  if (out.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    throw_error(ErrorKind::kResources, kLibrary, ": cannot be started (curl_global_init)");
  return out;
}

const Curl& curl() {
  static const Curl opened = open_curl();
  return opened;
}

// Receives one answer.
struct Transfer {
  const HttpRequest& request;
  HttpResult& result;
};

std::size_t on_bytes(char* bytes, std::size_t size, std::size_t count, void* user) {
  const Transfer& transfer = *static_cast<Transfer*>(user);
  std::string& body = transfer.result.body;
  if (size * count > transfer.request.max_bytes - body.size()) {
    transfer.result.failure = HttpFailure::kTooLarge;
    return 0;  // less than was given: libcurl ends the transfer
  }
  body.append(bytes, size * count);
  return size * count;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const Transfer& transfer = *static_cast<Transfer*>(user);
  return transfer.request.stop && transfer.request.stop() ? 1 : 0;
}

HttpFailure failure_of(CURLcode code) {
  switch (code) {
    case CURLE_OK:
      return HttpFailure::kNone;
    case CURLE_ABORTED_BY_CALLBACK:
      return HttpFailure::kStopped;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
      return HttpFailure::kUntrusted;
    default:
      return HttpFailure::kTransport;
  }
}

}  // namespace

class HttpClient::Connection {
 public:
  Connection() : easy_(curl().easy_init()) {
    if (easy_ == nullptr) throw_error(ErrorKind::kResources, kLibrary, ": no memory for a request");
  }
  ~Connection() { curl().easy_cleanup(easy_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  HttpResult post_json(const HttpRequest& request);

 private:
  template <class Value>
  void set(CURLoption option, Value value) {
    const CURLcode code = curl().easy_setopt(easy_, option, value);
    if (code != CURLE_OK)
      throw_error(ErrorKind::kResources, kLibrary, ": option ", static_cast<int>(option), ": ",
                  curl().easy_strerror(code));
  }
  CURL* easy_;
};

HttpResult HttpClient::Connection::post_json(const HttpRequest& request) {
  HttpResult result;
  Transfer transfer{request, result};
  char why[CURL_ERROR_SIZE] = "";

  using List = std::unique_ptr<curl_slist, decltype(curl().slist_free_all)>;
  List headers(nullptr, curl().slist_free_all);
  const auto add_header = [&](const char* header) {
    curl_slist* const longer = curl().slist_append(headers.get(), header);
    if (longer == nullptr) throw_error(ErrorKind::kResources, "no memory for an HTTP header");
    (void)headers.release();
    headers.reset(longer);
  };
  add_header("Content-Type: application/json");
  add_header("Accept: application/json");
  add_header("Expect:");  // large bodies go at once, not after "100 Continue"
  for (const std::string& header : request.headers) add_header(header.c_str());

  curl().easy_reset(easy_);  // settings only: its connection and names stay
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_USERAGENT, "attune");
  set(CURLOPT_POST, 1L);
  set(CURLOPT_POSTFIELDS, request.body.data());
  set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(1000 * request.connect_seconds));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(1000 * request.total_seconds));
  set(CURLOPT_NOSIGNAL, 1L);  // threads
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_ERRORBUFFER, why);
  set(CURLOPT_WRITEFUNCTION, &on_bytes);
  set(CURLOPT_WRITEDATA, &transfer);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &on_progress);
  set(CURLOPT_XFERINFODATA, &transfer);
  for (const char* name : {"CURL_CA_BUNDLE", "SSL_CERT_FILE"})
    if (const char* const authorities = std::getenv(name); authorities != nullptr && *authorities)
      set(CURLOPT_CAINFO, authorities);

  const CURLcode code = curl().easy_perform(easy_);
  curl().easy_setopt(easy_, CURLOPT_ERRORBUFFER, nullptr);
  if (result.failure == HttpFailure::kTooLarge) {
    result.message = str_cat("the answer is larger than ", request.max_bytes, " bytes");
  } else if (code != CURLE_OK) {
    result.failure = failure_of(code);
    result.message = *why != '\0' ? why : curl().easy_strerror(code);
  }

  const auto text = [&](CURLINFO info) {
    const char* value = nullptr;
    curl().easy_getinfo(easy_, info, &value);
    return std::string(value == nullptr ? "" : value);
  };
  long status = 0;
  curl_off_t retry_after = 0;
  curl().easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
  curl().easy_getinfo(easy_, CURLINFO_RETRY_AFTER, &retry_after);
  result.status = static_cast<int>(status);
  result.retry_after_seconds = std::max<std::int64_t>(0, retry_after);
  result.content_type = text(CURLINFO_CONTENT_TYPE);
  result.redirect = text(CURLINFO_REDIRECT_URL);
  return result;
}

HttpClient::HttpClient() = default;
HttpClient::~HttpClient() = default;

std::unique_ptr<HttpClient::Connection> HttpClient::take() {
  const std::scoped_lock lock(mutex_);
  if (idle_.empty()) return std::make_unique<Connection>();
  std::unique_ptr<Connection> taken = std::move(idle_.back());
  idle_.pop_back();
  return taken;
}

HttpResult HttpClient::post_json(const HttpRequest& request) {
  if (!request.url.starts_with("http://") && !request.url.starts_with("https://"))
    throw_error(ErrorKind::kConfig, "'", request.url,
                "' is not the address of a server: it begins with neither http:// nor https://");
  std::unique_ptr<Connection> connection = take();
  HttpResult result = connection->post_json(request);
  const std::scoped_lock lock(mutex_);
  idle_.push_back(std::move(connection));
  return result;
}

}  // namespace attune
