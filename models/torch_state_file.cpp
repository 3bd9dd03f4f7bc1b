#include "models/torch_state_file.h"

#include <algorithm>
#include <cstring>
#include <map>

#include <ATen/ops/empty.h>
#include <caffe2/serialize/inline_container.h>

#include "core/error.h"
#include "core/file.h"
#include "models/zip_directory.h"

namespace attune {
namespace {

using caffe2::serialize::PyTorchStreamReader;
using caffe2::serialize::PyTorchStreamWriter;

// Copies share what they hold: a pickle copies values into and out of its memo at will, and each
// may hold two copies of the last.
struct Value {
  enum class Kind : std::uint8_t {
    kNone,
    kNumber,
    kText,
    kTuple,
    kDict,
    kRememberedDict,  // what the memo holds in a dict's place
    kGlobal,
    kTensor,
    kMark
  };
  Kind kind = Kind::kNone;
  std::int64_t number = 0;                    // also of a bool
  std::shared_ptr<const std::string> text;    // also "module name" of a global
  std::shared_ptr<std::vector<Value>> items;  // of a tuple; of a dict key, value, key, value, ...
  at::Tensor tensor;                          // also a whole storage
  int depth = 0;                              // of what is in what

  bool is_text(std::string_view wanted) const { return text && *text == wanted; }
};
using Kind = Value::Kind;

// Far more than a state_dict has; what is deeper could exhaust the stack of calls when it is freed.
constexpr int kMostDepth = 16;
// Numbers of all tensors together, for each byte of the file. Half precision has half a number a
// byte; tied weights name one storage several times.
constexpr std::uint64_t kMostNumbers = 4;

Value of_kind(Kind kind) {
  Value value;
  value.kind = kind;
  return value;
}
Value number(std::int64_t n) {
  Value value = of_kind(Kind::kNumber);
  value.number = n;
  return value;
}
Value text(Kind kind, std::string s) {
  Value value = of_kind(kind);
  value.text = std::make_shared<const std::string>(std::move(s));
  return value;
}
Value tensor(at::Tensor t) {
  Value value = of_kind(Kind::kTensor);
  value.tensor = std::move(t);
  return value;
}
Value container(Kind kind) {
  Value value = of_kind(kind);
  value.items = std::make_shared<std::vector<Value>>();
  return value;
}

at::ScalarType storage_type(const std::string& global) {
  if (global == "torch FloatStorage") return at::kFloat;
  if (global == "torch DoubleStorage") return at::kDouble;
  if (global == "torch HalfStorage") return at::kHalf;
  if (global == "torch BFloat16Storage") return at::kBFloat16;
  throw_error(ErrorKind::kData, "storages of type '", global, "' are not read");
}

// The stack machine of pickle, as far as a state_dict goes.
class StatePickle {
 public:
  StatePickle(std::string_view code, PyTorchStreamReader& archive, std::uint64_t file_bytes)
      : code_(code), archive_(archive), file_bytes_(file_bytes) {}

  std::vector<NamedTensor> run() {
    while (!step()) {
    }
    const Value root = pop();
    check(root.kind == Kind::kDict, "it holds no dict of tensors");
    std::vector<NamedTensor> tensors;
    for (std::size_t i = 0; i + 1 < root.items->size(); i += 2) {
      const Value &name = (*root.items)[i], &value = (*root.items)[i + 1];
      check(name.kind == Kind::kText && value.kind == Kind::kTensor,
            "an entry of the dict is no named tensor");
      tensors.push_back({*name.text, value.tensor});
    }
    return tensors;
  }

 private:
  static void check(bool good, const char* mistake) {
    if (!good) throw_error(ErrorKind::kData, "not a plain state_dict: ", mistake);
  }

  std::string_view take(std::size_t count) {
    check(count <= code_.size() - at_, "the pickle ends early");
    const std::string_view bytes = code_.substr(at_, count);
    at_ += count;
    return bytes;
  }
  // Little-endian, `count` bytes, no sign.
  std::uint64_t integer(std::size_t count) {
    std::uint64_t value = 0;
    const std::string_view bytes = take(count);
    for (std::size_t i = 0; i < count; ++i)
      value |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    return value;
  }
  std::string line() {
    const std::size_t end = code_.find('\n', at_);
    check(end != std::string_view::npos, "the pickle ends early");
    std::string result(code_.substr(at_, end - at_));
    at_ = end + 1;
    return result;
  }
  void put_in(Value& outer, Value item) {
    outer.depth = std::max(outer.depth, item.depth + 1);
    check(outer.depth <= kMostDepth, "its values are nested deeper than a state_dict's");
    outer.items->push_back(std::move(item));
  }
  Value tuple(std::vector<Value> items) {
    Value out = container(Kind::kTuple);
    for (Value& item : items) put_in(out, std::move(item));
    return out;
  }
  Value pop() {
    check(!stack_.empty(), "its stack is empty");
    Value top = std::move(stack_.back());
    stack_.pop_back();
    return top;
  }
  void push(Value value) { stack_.push_back(std::move(value)); }
  std::vector<Value> pop_to_mark() {
    std::size_t mark = stack_.size();
    while (mark > 0 && stack_[mark - 1].kind != Kind::kMark) --mark;
    check(mark > 0, "a mark is missing");
    std::vector<Value> items(std::make_move_iterator(stack_.begin() + static_cast<long>(mark)),
                             std::make_move_iterator(stack_.end()));
    stack_.resize(mark - 1);
    return items;
  }
  void push_tuple(int count) {
    std::vector<Value> items(count);
    for (int i = count; i-- > 0;) items[i] = pop();
    push(tuple(std::move(items)));
  }
  // A dict is still filled when it is remembered: shared, it could come to hold itself.
  void remember(std::uint64_t place) {
    check(!stack_.empty(), "its stack is empty");
    const bool is_dict = stack_.back().kind == Kind::kDict;
    memo_[place] = is_dict ? of_kind(Kind::kRememberedDict) : stack_.back();
  }
  void recall(std::uint64_t place) {
    const auto found = memo_.find(place);
    check(found != memo_.end(), "it names what was not remembered");
    check(found->second.kind != Kind::kRememberedDict, "it uses a dict twice");
    push(found->second);
  }
  void set_items(std::vector<Value> items) {
    check(!stack_.empty() && stack_.back().kind == Kind::kDict && items.size() % 2 == 0,
          "it sets items of something that is no dict");
    for (Value& item : items) put_in(stack_.back(), std::move(item));
  }

  // True at the end.
  bool step() {
    const char opcode = take(1)[0];
    switch (opcode) {
      case '\x80':  // PROTO
        check(integer(1) <= 5, "the pickle's protocol is not known");
        return false;
      case 'c': {  // GLOBAL
        const std::string module = line();
        return push_global(module + " " + line()), false;
      }
      case '(':  // MARK
        return push(of_kind(Kind::kMark)), false;
      case ')':  // EMPTY_TUPLE
        return push(tuple({})), false;
      case '}':  // EMPTY_DICT
        return push(container(Kind::kDict)), false;
      case 't':  // TUPLE
        return push(tuple(pop_to_mark())), false;
      case '\x85':  // TUPLE1, 2, 3
      case '\x86':
      case '\x87':
        return push_tuple(opcode - '\x84'), false;
      case 'N':  // NONE
        return push(of_kind(Kind::kNone)), false;
      case '\x88':  // NEWTRUE, NEWFALSE
      case '\x89':
        return push(number(opcode == '\x88')), false;
      case 'K':  // BININT1, BININT2, BININT, LONG1
        return push(number(static_cast<std::int64_t>(integer(1)))), false;
      case 'M':
        return push(number(static_cast<std::int64_t>(integer(2)))), false;
      case 'J':
        return push(number(static_cast<std::int32_t>(integer(4)))), false;
      case '\x8a': {
        const std::uint64_t bytes = integer(1);
        check(bytes < 8, "a number has more than 7 bytes");
        return push(number(static_cast<std::int64_t>(integer(bytes)))), false;
      }
      case 'X':  // BINUNICODE
        return push(text(Kind::kText, std::string(take(integer(4))))), false;
      case 'q':  // BINPUT, LONG_BINPUT
        return remember(integer(1)), false;
      case 'r':
        return remember(integer(4)), false;
      case 'h':  // BINGET, LONG_BINGET
        return recall(integer(1)), false;
      case 'j':
        return recall(integer(4)), false;
      case 's': {  // SETITEM
        Value value = pop();
        Value key = pop();
        return set_items({std::move(key), std::move(value)}), false;
      }
      case 'u':  // SETITEMS
        return set_items(pop_to_mark()), false;
      case 'Q':  // BINPERSID
        return push_storage(pop()), false;
      case 'R': {  // REDUCE
        const Value arguments = pop();
        return reduce(pop(), arguments), false;
      }
      case 'b':  // BUILD: the dict's _metadata, versions of modules
        pop();
        check(!stack_.empty() && stack_.back().kind == Kind::kDict, "it sets an object's state");
        return false;
      case '.':  // STOP
        return true;
      default:
        throw_error(ErrorKind::kData, "not a plain state_dict: the pickle's opcode ",
                    static_cast<int>(static_cast<unsigned char>(opcode)), " is not needed for one");
    }
  }

  void push_global(const std::string& name) {
    if (name != "collections OrderedDict" && name != "torch._utils _rebuild_tensor_v2")
      storage_type(name);  // refuses it
    push(text(Kind::kGlobal, name));
  }

  // ("storage", type, record, device, elements): the whole record.
  void push_storage(const Value& id) {
    check(id.kind == Kind::kTuple && id.items->size() == 5,
          "a storage is not described as torch does");
    const std::vector<Value>& given = *id.items;
    check(given[0].is_text("storage") && given[1].kind == Kind::kGlobal &&
              given[2].kind == Kind::kText && given[4].kind == Kind::kNumber &&
              given[4].number >= 0,
          "a storage is not described as torch does");
    at::Tensor& storage = storages_[{*given[2].text, *given[1].text}];
    if (!storage.defined()) storage = read_storage(*given[2].text, storage_type(*given[1].text));
    check(given[4].number == storage.numel(), "a storage has another size than it says");
    push(tensor(storage));
  }

  at::Tensor read_storage(const std::string& name, at::ScalarType type) {
    const std::string record = "data/" + name;
    check(archive_.hasRecord(record), "a storage is missing");
    const auto [data, size] = archive_.getRecord(record);
    check(size % c10::elementSize(type) == 0, "a storage has another size than it says");
    const auto count = static_cast<std::int64_t>(size / c10::elementSize(type));
    const at::Tensor storage = at::empty({count}, at::TensorOptions(type));
    if (size > 0) std::memcpy(storage.mutable_data_ptr(), data.get(), size);
    return storage;
  }

  static std::vector<std::int64_t> sizes(const Value& value) {
    check(value.kind == Kind::kTuple && value.items->size() <= 8, "a shape is no tuple");
    std::vector<std::int64_t> result;
    for (const Value& item : *value.items) {
      check(item.kind == Kind::kNumber && item.number >= 0, "a shape holds no numbers");
      result.push_back(item.number);
    }
    return result;
  }

  void reduce(const Value& function, const Value& arguments) {
    check(function.kind == Kind::kGlobal && arguments.kind == Kind::kTuple,
          "it calls something that is no function");
    const std::vector<Value>& given = *arguments.items;
    if (function.is_text("collections OrderedDict")) {
      check(given.empty(), "a dict is made of something");
      return push(container(Kind::kDict));
    }
    check(function.is_text("torch._utils _rebuild_tensor_v2") && given.size() >= 4 &&
              given[0].kind == Kind::kTensor && given[1].kind == Kind::kNumber &&
              given[1].number >= 0,
          "a tensor is not described as torch does");
    const std::vector<std::int64_t> shape = sizes(given[2]), strides = sizes(given[3]);
    check(shape.size() == strides.size(), "a tensor's shape and strides differ in length");
    // Places are counted without overflow: each factor is checked against what is left.
    const std::int64_t elements = given[0].tensor.numel();
    std::int64_t last = given[1].number;
    bool empty = false;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      empty = empty || shape[i] == 0;
      if (shape[i] <= 1 || strides[i] == 0) continue;
      check(last < elements && strides[i] <= elements &&
                shape[i] - 1 <= (elements - 1 - last) / strides[i],
            "a tensor leaves its storage");
      last += (shape[i] - 1) * strides[i];
    }
    std::int64_t total = 1;
    for (std::int64_t n : shape) {
      check(n == 0 || total <= (std::int64_t{1} << 40) / n, "a tensor is too large");
      total *= n;
    }
    check(empty || last < elements, "a tensor leaves its storage");
    // A stride of 0 repeats a number: a small file could so ask for any memory.
    check(total <= elements, "a tensor is larger than its storage");
    made_ += static_cast<std::uint64_t>(total);
    check(made_ <= kMostNumbers * file_bytes_, "its tensors hold more numbers than the file");
    push(tensor(
        given[0].tensor.as_strided(shape, strides, given[1].number).to(at::kFloat).contiguous()));
  }

  std::string_view code_;
  PyTorchStreamReader& archive_;
  std::uint64_t file_bytes_;
  std::size_t at_ = 0;
  std::uint64_t made_ = 0;  // numbers of all tensors
  std::vector<Value> stack_;
  std::map<std::uint64_t, Value> memo_;
  std::map<std::pair<std::string, std::string>, at::Tensor> storages_;  // by record and type
};

void put(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}
void put_text(std::string& out, const std::string& s) {
  out += 'X';
  put(out, s.size(), 4);
  out += s;
}
void put_number(std::string& out, std::int64_t n) {
  out += "\x8a\x07";
  put(out, static_cast<std::uint64_t>(n), 7);
}
void put_tuple(std::string& out, at::IntArrayRef numbers) {
  out += '(';
  for (std::int64_t n : numbers) put_number(out, n);
  out += 't';
}

// Returns the file's size. Records are stored as they are, so none is larger than the file; one
// that was compressed, or lies, could ask for any memory.
std::uint64_t check_records(const std::string& path) {
  const MappedFile file(path);
  const std::uint64_t largest = largest_record(file.bytes());
  if (largest > file.bytes().size())
    throw_error(
        ErrorKind::kData, "a record of ", largest,
        " bytes, more than the file: it is damaged, or was compressed, which torch.save does "
        "not do");
  return file.bytes().size();
}

constexpr const char* kEmptyDict = "ccollections\nOrderedDict\n)R";

}  // namespace

std::vector<NamedTensor> read_torch_state(const std::string& path) {
  if (!file_exists(path)) throw_error(ErrorKind::kData, path, ": there is no such file");
  try {
    const std::uint64_t file_bytes = check_records(path);
    PyTorchStreamReader archive(path);
    const auto [code, size] = archive.getRecord("data.pkl");
    if (archive.hasRecord("byteorder")) {
      const auto [order, length] = archive.getRecord("byteorder");
      if (std::string_view(static_cast<const char*>(order.get()), length) != "little")
        throw_error(ErrorKind::kData, "it was saved on a big-endian machine");
    }
    return StatePickle({static_cast<const char*>(code.get()), size}, archive, file_bytes).run();
  } catch (const Error& error) {
    throw_error(ErrorKind::kData, path, ": ", error.what());
  } catch (const std::exception& error) {
    const std::string reason = error.what();
    throw_error(ErrorKind::kData, path,
                ": not an archive as torch.save writes it: ", reason.substr(0, reason.find('\n')));
  }
}

std::map<std::string, at::Tensor> read_state(const std::string& safetensors,
                                             const std::string& pickle) {
  std::map<std::string, at::Tensor> state;
  if (!file_exists(safetensors) && file_exists(pickle)) {
    for (NamedTensor& tensor : read_torch_state(pickle)) state[tensor.name] = tensor.tensor;
    return state;
  }
  const Weights weights = Weights::from_file(safetensors);
  for (const auto& [name, entry] : weights.entries()) {
    at::Tensor tensor = at::empty(entry.shape, at::kFloat);
    weights.copy_to(name, tensor);
    state[name] = tensor;
  }
  return state;
}

std::string torch_state_bytes(const std::vector<NamedTensor>& tensors) {
  std::string pickle = "\x80\x02";
  pickle += kEmptyDict;
  pickle += '(';
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const at::Tensor& tensor = tensors[i].tensor;
    put_text(pickle, tensors[i].name);
    pickle += "ctorch._utils\n_rebuild_tensor_v2\n((";
    put_text(pickle, "storage");
    pickle += "ctorch\nFloatStorage\n";
    put_text(pickle, std::to_string(i));
    put_text(pickle, "cpu");
    put_number(pickle, tensor.numel());
    pickle += "tQ";
    put_number(pickle, 0);
    put_tuple(pickle, tensor.sizes());
    put_tuple(pickle, tensor.contiguous().strides());
    pickle += '\x89';
    pickle += kEmptyDict;
    pickle += "tR";
  }
  pickle += "u.";

  std::string bytes;
  PyTorchStreamWriter writer([&](const void* data, std::size_t size) {
    bytes.append(static_cast<const char*>(data), size);
    return size;
  });
  writer.writeRecord("data.pkl", pickle.data(), pickle.size());
  writer.writeRecord("byteorder", "little", 6);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const at::Tensor flat = tensors[i].tensor.detach().to(at::kCPU, at::kFloat).contiguous();
    writer.writeRecord("data/" + std::to_string(i), flat.const_data_ptr(), flat.nbytes());
  }
  writer.writeEndOfFile();
  return bytes;
}

}  // namespace attune
