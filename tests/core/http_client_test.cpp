#include "core/http_client.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/fake_llm_server.h"

namespace attune {
namespace {

const char* const kBody = R"({"model": "m", "messages": [{"role": "user", "content": "hello"}]})";

HttpRequest to(const std::string& url) { return {.url = url, .body = kBody}; }

double seconds_of(const std::function<void()>& work) {
  const auto began = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

TEST(HttpClient, ReturnsStatusTypeAndBody) {
  FakeLlmServer server(R"({"script": [{"raw": "{}", "content_type": "application/x"},
                                      {"status": 418, "body": "no"}]})");
  HttpClient client;
  const HttpResult fine = client.post_json(to(server.url()));
  EXPECT_EQ(fine.failure, HttpFailure::kNone) << fine.message;
  EXPECT_EQ(fine.status, 200);
  EXPECT_EQ(fine.body, "{}");
  EXPECT_EQ(fine.content_type, "application/x");
  const HttpResult other = client.post_json(to(server.url()));
  EXPECT_EQ(other.failure, HttpFailure::kNone);
  EXPECT_EQ(other.status, 418);
  EXPECT_EQ(other.body, "no");
}

TEST(HttpClient, ReadsRetryAfterInSecondsAndAsADate) {
  FakeLlmServer server(R"({"script": [{"status": 429, "headers": {"Retry-After": "7"}},
                                      {"status": 429, "headers": {"Retry-After": "{date+30}"}},
                                      {"status": 429, "headers": {"Retry-After": "soon"}}]})");
  HttpClient client;
  EXPECT_EQ(client.post_json(to(server.url())).retry_after_seconds, 7);
  const auto dated = client.post_json(to(server.url())).retry_after_seconds;
  EXPECT_GE(dated, 27);
  EXPECT_LE(dated, 30);
  EXPECT_EQ(client.post_json(to(server.url())).retry_after_seconds, 0);
}

TEST(HttpClient, FollowsNoRedirect) {
  FakeLlmServer server(R"({"script": [{"status": 307, "headers": {"Location": "/elsewhere"}}]})");
  HttpClient client;
  const HttpResult result = client.post_json(to(server.url()));
  EXPECT_EQ(result.status, 307);
  EXPECT_EQ(result.redirect, server.url() + "/elsewhere");
  EXPECT_EQ(server.asked().size(), 1u);
}

TEST(HttpClient, ToldWhatBreaksOnTheWay) {
  FakeLlmServer server(R"({"script": [{"drop": true}, {"cut": 20}, {"delay": 5}]})");
  HttpClient client;
  EXPECT_EQ(client.post_json(to(server.url())).failure, HttpFailure::kTransport);
  const HttpResult cut = client.post_json(to(server.url()));
  EXPECT_EQ(cut.failure, HttpFailure::kTransport);
  EXPECT_FALSE(cut.message.empty());
  HttpRequest slow = to(server.url());
  slow.total_seconds = 0.3;
  HttpResult late;
  EXPECT_LT(seconds_of([&] { late = client.post_json(slow); }), 3);
  EXPECT_EQ(late.failure, HttpFailure::kTransport);
  EXPECT_NE(late.message.find("timed out"), std::string::npos) << late.message;
  // A port that nobody listens on, and a host that is none.
  EXPECT_EQ(client.post_json(to("http://127.0.0.1:1/")).failure, HttpFailure::kTransport);
  EXPECT_EQ(client.post_json(to("http://no-such-host.invalid/")).failure, HttpFailure::kTransport);
}

TEST(HttpClient, EndsAnAnswerThatIsTooLarge) {
  FakeLlmServer server(R"({"script": [{"huge": 5000000}, {"raw": "12345678"}, {"raw": "1"}]})");
  HttpClient client;
  HttpRequest request = to(server.url());
  request.max_bytes = 1 << 20;
  const HttpResult huge = client.post_json(request);
  EXPECT_EQ(huge.failure, HttpFailure::kTooLarge);
  EXPECT_LE(huge.body.size(), request.max_bytes);
  request.max_bytes = 8;
  EXPECT_EQ(client.post_json(request).body, "12345678");
  request.max_bytes = 0;
  EXPECT_EQ(client.post_json(request).failure, HttpFailure::kTooLarge);
}

TEST(HttpClient, StopsWhenAsked) {
  FakeLlmServer server(R"({"then": {"delay": 20}})");
  HttpClient client;
  std::atomic<bool> stop{false};
  HttpRequest request = to(server.url());
  request.stop = [&] { return stop.load(); };
  std::jthread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    stop = true;
  });
  HttpResult result;
  EXPECT_LT(seconds_of([&] { result = client.post_json(request); }), 5);
  EXPECT_EQ(result.failure, HttpFailure::kStopped);
}

TEST(HttpClient, ServesManyThreads) {
  FakeLlmServer server(R"({"then": {"raw": "{}"}})");
  HttpClient client;
  std::atomic<int> fine{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&] {
        for (int j = 0; j < 10; ++j) fine += client.post_json(to(server.url())).body == "{}";
      });
  }
  EXPECT_EQ(fine, 80);
  EXPECT_EQ(server.asked().size(), 80u);
}

TEST(HttpClient, TrustsNoCertificateOfItsOwnMaking) {
  Scratch scratch;
  const std::string made =
      "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 "
      "-addext subjectAltName=IP:127.0.0.1 -keyout " +
      scratch / "key" + " -out " + scratch / "cert" + " 2>/dev/null && cat " + scratch / "key" +
      " " + scratch / "cert" + " > " + scratch / "both";
  if (std::system(made.c_str()) != 0) GTEST_SKIP() << "there is no openssl command";
  FakeLlmServer server(R"({"then": {"raw": "{}"}})", scratch / "both");
  HttpClient client;
  const HttpResult refused = client.post_json(to(server.url()));
  EXPECT_EQ(refused.failure, HttpFailure::kUntrusted) << refused.message;
  EXPECT_TRUE(server.asked().empty());
  ::setenv("SSL_CERT_FILE", (scratch / "cert").c_str(), 1);
  const HttpResult fine = client.post_json(to(server.url()));
  ::unsetenv("SSL_CERT_FILE");
  EXPECT_EQ(fine.body, "{}") << fine.message;
}

TEST(HttpClient, RefusesOtherAddresses) {
  HttpClient client;
  for (const char* url : {"file:///etc/passwd", "ftp://h/x", "h:80", ""})
    EXPECT_THROW(client.post_json(to(url)), Error) << url;
}

}  // namespace
}  // namespace attune
