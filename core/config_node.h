// What config_reader.cpp walks over: one value of a configuration file with its place. Private to
// core. yaml-cpp finds the structure; scalars stay text, because its own conversions are lax (010
// is 8).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20;

std::string dotted_path(const std::string& section, const std::string& key);  // "train.epochs"
std::string join_words(const std::vector<std::string>& words);                // "a, b, c"

// Where a value stands. Sorted as a reader of the messages would go through them.
struct ConfigPlace {
  std::string source;  // "run.yaml" or "override 'train.epochs=3'"
  std::size_t source_order = 0;
  std::size_t line = 0, column = 0;  // from 1; line 0: the source has no lines (an override)
  std::string text() const;
};

struct ConfigMistake {
  ConfigPlace place;
  std::string message;
};

class ConfigNode {
 public:
  enum class Kind { kNull, kScalar, kList, kMapping };
  struct Member {
    std::string key;
    ConfigPlace place;  // of the key
    std::shared_ptr<ConfigNode> value;
    bool visited = false;
    bool is_section = false;  // visit() entered it
    bool is_changed = false;  // a value other than the default
  };

  Kind kind = Kind::kNull;
  std::string text;        // of a scalar
  bool is_quoted = false;  // of a scalar: a string whatever it looks like
  std::vector<std::shared_ptr<ConfigNode>> items;
  std::vector<Member> members;
  ConfigPlace place;

  std::string path;         // "train.loss"; empty for the root
  bool is_refused = false;  // stands for a section that is no mapping, which is reported already
  std::vector<std::string> known_keys;  // that visit() has asked for
  // Shared by all nodes of a document.
  std::shared_ptr<std::vector<ConfigMistake>> mistakes, warnings;

  Member* find(std::string_view key);
  // The last member on the way "train.loss.scale" that is there; null: not even the first.
  Member* find_on_the_way(std::string_view way, bool* whole = nullptr);
  // "a list", "the string "x"", "nothing", ... for messages
  std::string description() const;
  std::size_t size() const;   // this node and all below
  std::size_t depth() const;  // 1 for a scalar
  std::shared_ptr<ConfigNode> clone() const;
};

// Parses one YAML document into nodes. What makes the text unreadable as a whole is thrown as
// Error{kConfig}; duplicate and merge keys are added to `mistakes`. `place.line` 0: every node gets
// `place` itself. An empty document is a null node.
std::shared_ptr<ConfigNode> parse_config_text(std::string text, const ConfigPlace& place,
                                              std::vector<ConfigMistake>& mistakes);

}  // namespace attune
