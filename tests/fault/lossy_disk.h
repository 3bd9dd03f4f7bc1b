// What a disk holds after a power failure at any moment of a writer's work: the durable layer's
// operations are followed through its hook, and the folder is looked at before each.
//
// The model. A file's bytes survive up to what the last fsync of it covered; of what was appended
// since, any first part may survive, with zeros in place of the rest or without. A directory's
// entries are those of the last fsync of it, or as they were after any later operation: file
// systems with a journal keep a directory's changes in order. Directories are independent of each
// other. After SQLite's crash tests (src/test6.c) and LazyFS (VLDB 17(11), "When Amnesia Strikes").
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <sys/stat.h>

#include "core/durable.h"
#include "core/file.h"

namespace attune {

class LossyDisk {
 public:
  // What is in `root` now counts as being on disk.
  explicit LossyDisk(std::string root) : root_(std::move(root)) {
    look();
    for (auto& [inode, node] : nodes_) settle(node);
  }

  // To be called from the hook.
  void before(DurableOperation operation, const std::string& path) {
    end_of_operation();
    last_ = {operation, path};
    cuts_.push_back(nodes_);
  }
  // After the work: the last cut.
  void finish() {
    end_of_operation();
    cuts_.push_back(nodes_);
  }
  std::size_t cuts() const { return cuts_.size(); }

  // What a failure before operation `cut` may leave, into the empty `folder`.
  void restore(std::size_t cut, std::mt19937_64& random, const std::string& folder) const {
    put(cuts_[cut], inode_of(root_), random, folder);
  }

 private:
  using Inode = std::uint64_t;
  using Entries = std::map<std::string, Inode>;
  struct Node {
    bool is_directory = false;
    std::shared_ptr<const std::string> synced, now;  // of a file; null: nothing was synced
    std::vector<Entries> states;                     // of a directory, since its last sync
  };
  using Nodes = std::map<Inode, Node>;

  static Inode inode_of(const std::string& path) {
    struct stat status{};
    return ::lstat(path.c_str(), &status) == 0 ? status.st_ino : 0;
  }
  static void settle(Node& node) {
    node.synced = node.now;
    if (!node.states.empty()) node.states = {node.states.back()};
  }

  void end_of_operation() {
    look();
    if (!last_) return;
    const auto& [operation, path] = *last_;
    if (operation == DurableOperation::kSync || operation == DurableOperation::kSyncDirectory)
      if (const auto found = nodes_.find(inode_of(path)); found != nodes_.end())
        settle(found->second);
    last_.reset();
  }

  void look() { look_at(root_); }
  void look_at(const std::string& folder) {
    Entries entries;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::string path = entry.path().string();
      const Inode inode = inode_of(path);
      entries[entry.path().filename().string()] = inode;
      if (entry.is_directory()) {
        look_at(path);
      } else {
        Node& node = nodes_[inode];
        const std::string bytes = read_file(path);
        if (!node.now || *node.now != bytes) node.now = std::make_shared<const std::string>(bytes);
      }
    }
    Node& node = nodes_[inode_of(folder)];
    node.is_directory = true;
    if (node.states.empty()) node.states.push_back({});  // a new one is empty on disk
    if (node.states.back() != entries) node.states.push_back(entries);
  }

  static std::string torn(const Node& node, std::mt19937_64& random) {
    const std::string old = node.synced ? *node.synced : "";
    if (!node.now->starts_with(old)) return random() % 2 == 0 ? old : *node.now;
    const std::size_t length = old.size() + random() % (node.now->size() - old.size() + 1);
    std::string bytes = node.now->substr(0, length);
    if (random() % 4 == 0) bytes.resize(node.now->size(), '\0');
    return bytes;
  }

  static void put(const Nodes& nodes, Inode inode, std::mt19937_64& random,
                  const std::string& path) {
    const Node& node = nodes.at(inode);
    if (!node.is_directory) {
      std::ofstream(path, std::ios::binary) << torn(node, random);
      return;
    }
    std::filesystem::create_directories(path);
    for (const auto& [name, inner] : node.states[random() % node.states.size()])
      put(nodes, inner, random, path + "/" + name);
  }

  std::string root_;
  Nodes nodes_;
  std::vector<Nodes> cuts_;
  std::optional<std::pair<DurableOperation, std::string>> last_;
};

}  // namespace attune
