#include "core/json.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/file.h"

namespace attune {
namespace {

constexpr std::size_t kMaxDepth = 100;

// Walks over the bytes and lets others see how far the lexer has read.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, const char** furthest) : at_(at), furthest_(furthest) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    *furthest_ = ++at_;
    return *this;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** furthest_;
};

[[noreturn]] void throw_at(std::string_view bytes, const std::string& place, std::size_t offset,
                           const std::string& message) {
  if (bytes.starts_with("\xef\xbb\xbf")) {
    bytes.remove_prefix(3);
    offset -= std::min<std::size_t>(offset, 3);
  }
  const std::string_view before = bytes.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  const auto column = 1 + std::count_if(before.begin() + static_cast<std::ptrdiff_t>(line_start),
                                        before.end(), [](char c) { return (c & 0xc0) != 0x80; });
  throw_error(ErrorKind::kData, place, ":", line, ":", column, ": ", message);
}

// Builds the value from the parser's events. An ordered_json object is a vector whose insertion
// looks through all keys, so members are gathered here and put in at the object's end in one go.
class Builder : public nlohmann::json_sax<Json> {
 public:
  Builder(std::string_view bytes, const std::string& place) : bytes_(bytes), place_(place) {}

  const char* furthest = nullptr;  // written by CountingIterator

  Json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t& text) override {
    if (text.find_first_of(".eE") == std::string::npos)
      throw_at(bytes_, place_, number_start(), "the whole number does not fit into 64 bits");
    return add(value);
  }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override { return open(true); }
  bool start_array(std::size_t) override { return open(false); }

  bool key(string_t& text) override {
    frames_.back().keys.emplace_back(std::move(text), key_start());
    return true;
  }

  bool end_object() override {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    refuse_duplicates(frame);
    Json::object_t object;
    using Members = Json::object_t::Container;
    Members& members = object;
    members.reserve(frame.keys.size());
    for (std::size_t i = 0; i < frame.keys.size(); ++i)
      members.emplace_back(std::move(frame.keys[i].first), std::move(frame.values[i]));
    return add(Json(std::move(object)));
  }

  bool end_array() override {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    return add(Json(std::move(frame.values)));
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    constexpr int kNumberOverflow = 406;
    if (error.id == kNumberOverflow)
      throw_at(bytes_, place_, number_start(), "the number is too large for a 64-bit float");
    throw_at(bytes_, place_, position > 0 ? position - 1 : 0,
             "not valid JSON: " + reason(error.what()));
  }

 private:
  struct Frame {
    bool is_object;
    std::vector<std::pair<std::string, std::size_t>> keys;  // with their offsets in the text
    std::vector<Json> values;
  };

  bool add(Json value) {
    if (frames_.empty()) {
      root_ = std::move(value);
    } else {
      frames_.back().values.push_back(std::move(value));
    }
    return true;
  }

  bool open(bool is_object) {
    if (frames_.size() == kMaxDepth)
      throw_at(bytes_, place_, offset() - 1, str_cat("nested deeper than ", kMaxDepth));
    frames_.push_back({is_object, {}, {}});
    return true;
  }

  std::size_t offset() const { return static_cast<std::size_t>(furthest - bytes_.data()); }

  // The lexer stands behind the number's last character or, where one follows, behind the next.
  std::size_t number_start() const {
    const auto before = bytes_.substr(0, offset());
    const std::size_t last = before.find_last_of("0123456789");
    return before.find_last_not_of("0123456789.eE+-", last) + 1;
  }

  // The lexer stands behind the closing quote. No quote before the opening one is unescaped.
  std::size_t key_start() const {
    std::size_t at = offset() - 1;
    while (true) {
      at = bytes_.rfind('"', at - 1);
      std::size_t backslashes = 0;
      while (bytes_[at - 1 - backslashes] == '\\') ++backslashes;
      if (backslashes % 2 == 0) return at;
    }
  }

  // By sorting: a hash table could be made slow by a hostile choice of keys.
  void refuse_duplicates(const Frame& frame) const {
    std::vector<const std::pair<std::string, std::size_t>*> sorted;
    sorted.reserve(frame.keys.size());
    for (const auto& key : frame.keys) sorted.push_back(&key);
    std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return *a < *b; });
    const std::pair<std::string, std::size_t>* first = nullptr;
    for (std::size_t i = 1; i < sorted.size(); ++i) {
      if (sorted[i]->first == sorted[i - 1]->first &&
          (first == nullptr || sorted[i]->second < first->second))
        first = sorted[i];
    }
    if (first != nullptr)
      throw_at(bytes_, place_, first->second,
               str_cat("the key ",
                       Json(first->first.substr(0, 100))
                           .dump(-1, ' ', false, Json::error_handler_t::replace),
                       " is given twice"));
  }

  // The library's message without its own place and without what it last read (of any length).
  static std::string reason(std::string text) {
    if (const std::size_t at = text.find(": ", text.find("column ")); at != std::string::npos)
      text.erase(0, at + 2);
    const std::size_t from = text.find("; last read: '");
    const std::size_t to = text.rfind('\'');
    if (from != std::string::npos && to > from) text.erase(from, to + 1 - from);
    return text;
  }

  std::string_view bytes_;
  const std::string& place_;
  std::vector<Frame> frames_;
  Json root_;
};

}  // namespace

Json parse_json(std::string_view bytes, const std::string& place) {
  // The library takes NUL for the end of its input; JSON allows it nowhere.
  if (const std::size_t nul = bytes.find('\0'); nul != std::string_view::npos)
    throw_at(bytes, place, nul, "not valid JSON: a NUL byte");
  Builder builder(bytes, place);
  builder.furthest = bytes.data();
  const char* const end = bytes.data() + bytes.size();
  const bool parsed = Json::sax_parse(CountingIterator(bytes.data(), &builder.furthest),
                                      CountingIterator(end, &builder.furthest), &builder);
  ATTUNE_ASSERT(parsed);
  return builder.take();
}

Json read_json_file(const std::string& path, std::size_t max_bytes) {
  return parse_json(read_text_file(path, max_bytes), path);
}

}  // namespace attune
