// A finetuned model by the name of its use, for programs that serve: `attune alias set prod ...`
// says which model that is, switches it while they run, rolls it back, or splits the requests
// between several models by weight.
//
//   attune::AliasedModel prod("prod");
//   const attune::AliasedRequest request = prod.request(user_id);
//   const std::vector<float> vector = request.embedding().get_query_embedding(question);
//   ... request.report("hit");                                     // `attune alias show prod`
//
// resolve_embed_model("prod") is the heaviest arm's model, once and for all, and counts nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <attune/base_embedding.h>

namespace attune {

// One answer of an alias, by one of its models. Counted, with the time from its making until
// done(), for the model that gave it, whatever the alias leads to by then.
class ATTUNE_PUBLIC AliasedRequest {
 public:
  AliasedRequest(AliasedRequest&& other) noexcept;
  AliasedRequest& operator=(AliasedRequest&&) = delete;
  ~AliasedRequest();  // done()

  const BaseEmbedding& embedding() const;
  const std::string& model() const;  // "model-..." of a job, else its directory
  // What came of it, by a name of one's own: "hit", "click". At any time, also after done().
  // Error{kConfig}: a name that is not 1 to 64 bytes of UTF-8, a count below 0.
  void report(const std::string& outcome, std::int64_t count = 1) const;
  void done();  // the first call ends the request's time

 private:
  friend class AliasedModel;
  struct State;
  explicit AliasedRequest(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Thread-safe. A switch of the alias is seen by the next request(). Models are loaded when the
// first request needs them, and kept until the alias leads elsewhere. What is counted is written
// every five seconds by a thread of its own, and at the end.
class ATTUNE_PUBLIC AliasedModel {
 public:
  // Throws attune::Error where there is no such alias.
  explicit AliasedModel(const std::string& alias, const EmbedOptions& options = {});
  ~AliasedModel();
  AliasedModel(const AliasedModel&) = delete;
  AliasedModel& operator=(const AliasedModel&) = delete;

  // By the arm that `key` (of a user or session) belongs to, for as long as the weights are what
  // they are; where an arm's weight grows, keys move to that arm alone. "" takes the heaviest arm,
  // of equal ones the first. Throws attune::Error: the alias, or the model it leads to, is gone, or
  // another model lies in its place.
  AliasedRequest request(std::string_view key = {}) const;

  // Writes what is counted now.
  void flush();

 private:
  friend class AliasedRequest;
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace attune
