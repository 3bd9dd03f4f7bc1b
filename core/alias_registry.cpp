#include "core/alias_registry.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "core/config_reader.h"
#include "core/error.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/registry_tables.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxArms = 16, kMaxName = 64;
constexpr std::int64_t kMaxWeight = 1000000;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string sha256_of_model(const std::string& path) {
  const std::string file = path + "/attune.json";
  return file_exists(file) ? sha256_file(file) : "";
}

void check_arms(const std::string& name, const std::vector<AliasArm>& arms) {
  if (!is_alias_name(name))
    throw_error(ErrorKind::kConfig, "'", name,
                "' is no name of an alias: a letter, then letters, digits, '-', '_' and '.', at "
                "most ",
                kMaxName,
                "; ids of jobs and models, default, disabled, mock and none mean something else");
  if (arms.empty() || arms.size() > kMaxArms)
    throw_error(ErrorKind::kConfig, "alias '", name, "': ", arms.size(), " models; expected 1 to ",
                kMaxArms);
  std::set<std::string> paths;
  for (const AliasArm& arm : arms) {
    if (arm.weight < 1 || arm.weight > kMaxWeight)
      throw_error(ErrorKind::kConfig, "alias '", name, "': weight ", arm.weight, " of ", arm.model,
                  "; expected 1 to ", kMaxWeight, ", and a model without requests is left out");
    if (!paths.insert(arm.path).second)
      throw_error(ErrorKind::kConfig, "alias '", name, "': ", arm.model, " is given twice");
    check_arm(name, arm);
  }
}

bool leads_to(const AliasVersion& version, const std::vector<AliasArm>& arms) {
  return std::ranges::equal(version.arms, arms, [](const AliasArm& a, const AliasArm& b) {
    return a.model == b.model && a.path == b.path && a.sha256 == b.sha256 && a.weight == b.weight;
  });
}

}  // namespace

bool is_alias_name(const std::string& name) {
  const bool plain = std::ranges::all_of(name, [](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
  return plain && !name.empty() && name.size() <= kMaxName && is_letter(name[0]) &&
         !name.starts_with("job-") && !name.starts_with("model-") && name != "default" &&
         name != "disabled" && name != "mock" && name != "none";
}

const AliasArm& arm_for(const AliasVersion& version, std::string_view key) {
  ATTUNE_ASSERT(!version.arms.empty());
  if (key.empty())
    return *std::ranges::max_element(version.arms, {}, &AliasArm::weight);  // the first of equals
  const AliasArm* taken = nullptr;
  double least = 0;
  for (const AliasArm& arm : version.arms) {
    Sha256 hash;
    hash.update(version.alias).update("\n").update(arm.model).update("\n").update(key);
    const std::uint64_t bits = std::stoull(hash.hex().substr(0, 16), nullptr, 16) >> 11;
    const double u = (static_cast<double>(bits) + 0.5) * 0x1p-53;
    const double score = -std::log(u) / static_cast<double>(arm.weight);
    if (taken != nullptr && score >= least) continue;
    taken = &arm;
    least = score;
  }
  return *taken;
}

void check_arm(const std::string& alias, const AliasArm& arm) {
  std::error_code ignored;
  const bool there = fs::is_directory(arm.path, ignored);
  if (there && sha256_of_model(arm.path) == arm.sha256) return;
  throw_error(ErrorKind::kData, "alias '", alias, "': its model ", arm.model,
              arm.model == arm.path ? "" : " (" + arm.path + ")",
              there ? " was replaced by another one since the alias was set" : " is gone",
              "; `attune alias show ", alias, "` tells what it led to before, `attune alias set ",
              alias, " MODEL` leads it elsewhere");
}

AliasRegistry::AliasRegistry(const std::string& path) : path_(path), database_(path) {
  make_registry_tables(database_, path_);
}

AliasArm AliasRegistry::arm(const std::string& model, std::int64_t weight) {
  AliasArm arm;
  arm.weight = weight;
  if (is_job_id(model)) {
    JobRegistry jobs(path_);
    arm.path = jobs.artifact(model);
    const Job job = jobs.get(model);
    arm.model = job.model_id;
    arm.sha256 = job.artifact_sha256;
  }
  if (arm.path.empty()) {
    arm.path = fs::absolute(model).lexically_normal().string();
    while (arm.path.size() > 1 && arm.path.ends_with('/')) arm.path.pop_back();
    arm.model = arm.path;
  }
  // Names and paths are told as JSON.
  if (find_invalid_utf8(arm.path) != std::string::npos)
    throw_error(ErrorKind::kConfig, arm.path,
                ": the path is not UTF-8, and an alias cannot lead there; give the folder another "
                "name");
  if (arm.sha256.empty()) arm.sha256 = sha256_of_model(arm.path);
  return arm;
}

std::vector<AliasVersion> AliasRegistry::read(const std::string& which,
                                              const Database::Row& values) {
  std::vector<AliasVersion> found;
  for (const auto& row : database_.run(
           "SELECT v.alias, v.number, v.previous, v.made_at, a.model, a.path, a.sha256, a.weight "
           "FROM alias_versions v JOIN alias_arms a ON a.version = v.number " +
               which + ", v.number, a.place",
           values)) {
    if (found.empty() || found.back().number != number(row[1]))
      found.push_back({text(row[0]), number(row[1]), number(row[2]), number(row[3]), {}});
    found.back().arms.push_back({text(row[4]), text(row[5]), text(row[6]), number(row[7])});
  }
  return found;
}

// Within a transaction.
AliasVersion AliasRegistry::read_version(std::int64_t version) {
  const auto found = read("WHERE v.number = ? ORDER BY v.alias", {version});
  ATTUNE_ASSERT(found.size() == 1);
  return found[0];
}

void AliasRegistry::switch_to(const std::string& name, std::int64_t version) {
  database_.run("UPDATE aliases SET version = ?, switched_at = ? WHERE name = ?",
                {version, seconds_since_1970(), name});
}

AliasVersion AliasRegistry::set(const std::string& name, const std::vector<AliasArm>& arms) {
  check_arms(name, arms);
  return database_.transaction([&] {
    for (const AliasArm& arm : arms) {
      if (!arm.model.starts_with("model-")) continue;
      const auto job = database_.run("SELECT status FROM jobs WHERE model_id = ?", {arm.model});
      if (job.empty() || text(job[0][0]) != name_of(JobStatus::kSucceeded))
        throw_error(ErrorKind::kConfig, "alias '", name, "': ", arm.model,
                    " is not of a job that has succeeded; `attune jobs list` shows them");
    }
    const std::optional<AliasVersion> before = find(name);
    if (before && leads_to(*before, arms)) return *before;
    if (!before) database_.run("INSERT INTO aliases VALUES(?, 0, ?)", {name, seconds_since_1970()});
    const std::int64_t version =
        number(database_.run("INSERT INTO alias_versions(alias, previous, made_at) VALUES(?,?,?) "
                             "RETURNING number",
                             {name, before ? before->number : 0, seconds_since_1970()})[0][0]);
    for (std::int64_t place = 0; place < std::ssize(arms); ++place) {
      const AliasArm& arm = arms[place];
      database_.run("INSERT INTO alias_arms VALUES(?,?,?,?,?,?,0,0)",
                    {version, place, arm.model, arm.path, arm.sha256, arm.weight});
    }
    switch_to(name, version);
    return read_version(version);
  });
}

AliasVersion AliasRegistry::rollback(const std::string& name) {
  return database_.transaction([&] {
    const AliasVersion current = get(name);
    if (current.previous == 0)
      throw_error(ErrorKind::kConfig, "alias '", name,
                  "' leads to its first model: there is nothing to roll back to");
    const AliasVersion earlier = read_version(current.previous);
    for (const AliasArm& arm : earlier.arms) check_arm(name, arm);
    switch_to(name, earlier.number);
    return earlier;
  });
}

void AliasRegistry::remove(const std::string& name) {
  database_.transaction([&] {
    get(name);
    database_.run("DELETE FROM aliases WHERE name = ?", {name});
  });
}

std::optional<AliasVersion> AliasRegistry::find(const std::string& name) {
  const auto found =
      read("JOIN aliases n ON n.version = v.number WHERE n.name = ? ORDER BY n.name", {name});
  if (found.empty()) return std::nullopt;
  return found[0];
}

AliasVersion AliasRegistry::get(const std::string& name) {
  if (auto found = find(name)) return *found;
  std::vector<std::string> known;
  for (const auto& row : database_.run("SELECT name FROM aliases")) known.push_back(text(row[0]));
  const std::optional<std::string> near = nearest(name, known);
  throw_error(ErrorKind::kConfig, "no alias '", name, "' in ", path_,
              near ? "; did you mean " + *near + "?" : "; `attune alias list` shows them");
}

std::vector<AliasVersion> AliasRegistry::list() {
  return read("JOIN aliases n ON n.version = v.number ORDER BY n.name");
}

std::vector<AliasVersion> AliasRegistry::earlier(const AliasVersion& version) {
  std::vector<AliasVersion> chain;
  std::int64_t wanted = version.previous;  // less than its own number
  for (AliasVersion& one : read("WHERE v.alias = ? ORDER BY v.number DESC", {version.alias}))
    if (one.number == wanted) {
      wanted = one.previous;
      chain.push_back(std::move(one));
    }
  return chain;
}

void AliasRegistry::add_use(std::int64_t version, const std::string& model, const ArmUse& use) {
  database_.transaction([&] {
    const auto found = database_.run(
        "UPDATE alias_arms SET requests = requests + ?, microseconds = microseconds + ? WHERE "
        "version = ? AND model = ? RETURNING 1",
        {use.requests, use.microseconds, version, model});
    if (found.empty()) return;
    for (const auto& [name, count] : use.outcomes)
      database_.run(
          "INSERT INTO alias_outcomes VALUES(?,?,?,?) ON CONFLICT DO UPDATE SET count = count + "
          "excluded.count",
          {version, model, name, count});
  });
}

std::map<std::string, ArmUse> AliasRegistry::use(std::int64_t version) {
  std::map<std::string, ArmUse> found;
  for (const auto& row : database_.run(
           "SELECT model, requests, microseconds FROM alias_arms WHERE version = ?", {version}))
    found[text(row[0])] = {number(row[1]), number(row[2]), {}};
  for (const auto& row :
       database_.run("SELECT model, name, count FROM alias_outcomes WHERE version = ?", {version}))
    found[text(row[0])].outcomes[text(row[1])] = number(row[2]);
  return found;
}

std::int64_t AliasRegistry::changes() { return number(database_.run("PRAGMA data_version")[0][0]); }

}  // namespace attune
