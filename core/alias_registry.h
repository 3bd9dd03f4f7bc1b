// Names for finetuned models in use ("prod"), beside the jobs in one file (core/job_registry.h). An
// alias leads to one model, or splits requests between several by weight. It is switched in one
// commit; what it was before stays, to be rolled back to.
//
// A version of an alias is never changed; its number is given once, over all aliases. What an arm
// has done is counted for each version: shares change between versions, and sums over several would
// compare different times of day.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/database.h"
#include "core/job_registry.h"

namespace attune {

struct AliasArm {
  std::string model;  // "model-..." of a job, else the directory
  std::string path;   // absolute
  // Of its attune.json, by which it is known that no other model lies there now; "": there is none.
  std::string sha256;
  std::int64_t weight = 1;  // 1 to 1,000,000
};

struct AliasVersion {
  std::string alias;
  std::int64_t number = 0, previous = 0;  // previous 0: there is none
  std::int64_t made_at = 0;               // seconds since 1970
  std::vector<AliasArm> arms;
};

struct ArmUse {
  std::int64_t requests = 0, microseconds = 0;  // of all requests together
  std::map<std::string, std::int64_t> outcomes;
};

// Letters, digits, '-', '_' and '.', at most 64, first a letter; no id of a job or model, and no
// word that means something else where a model is named ("default", "disabled", "mock", "none").
bool is_alias_name(const std::string& name);

// Which arm answers a request. Of every arm u is the number in (0, 1) with the first 53 bits of
// SHA-256(alias \n model \n key), u = (bits + 0.5) / 2^53; the arm with the least -ln(u) / weight
// is taken (weighted rendezvous hashing). So each arm gets its share of the keys, a key stays with
// its arm, and where an arm's weight grows, or one is added, keys move to that arm alone. For the
// key "" the heaviest arm, of equal ones the first.
const AliasArm& arm_for(const AliasVersion& version, std::string_view key);

class AliasRegistry {
 public:
  explicit AliasRegistry(const std::string& path = JobRegistry::default_path());

  // An arm for a model by the id of its job or its own, or by a directory.
  // Error{kConfig}: a job without a model (yet), a path that is not UTF-8; {kData}: a model of a
  // job that is gone.
  AliasArm arm(const std::string& model, std::int64_t weight = 1);

  // One to sixteen arms, of different models. Where it leads there already nothing is changed.
  // Error{kConfig}: a name or weight that is none; {kData}: a model that is gone, or another one.
  AliasVersion set(const std::string& name, const std::vector<AliasArm>& arms);
  // To the version before, and from there again to the one before that. Error{kConfig}: there is
  // none; {kData}: a model of it is gone, or another one.
  AliasVersion rollback(const std::string& name);
  void remove(const std::string& name);  // with its history and counts

  std::optional<AliasVersion> find(const std::string& name);
  AliasVersion get(const std::string& name);  // Error{kConfig} with the nearest name
  std::vector<AliasVersion> list();           // by name, each as it is now
  // What rollback() would bring, one after the other.
  std::vector<AliasVersion> earlier(const AliasVersion& version);

  // Adds; a version or model that is not there any more is left out.
  void add_use(std::int64_t version, const std::string& model, const ArmUse& use);
  std::map<std::string, ArmUse> use(std::int64_t version);  // by model

  // Another number whenever another process, or another object, has changed the file.
  std::int64_t changes();

 private:
  // Whole versions `v`, of one moment; `which` ends in what they are ordered by.
  std::vector<AliasVersion> read(const std::string& which, const Database::Row& values = {});
  AliasVersion read_version(std::int64_t number);
  void switch_to(const std::string& name, std::int64_t number);

  std::string path_;
  Database database_;
};

// Error{kData} where its directory is gone or holds another model than the alias was set to.
void check_arm(const std::string& alias, const AliasArm& arm);

}  // namespace attune
