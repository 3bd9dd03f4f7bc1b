#include "models/weights_file.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <limits>
#include <set>

#include <ATen/ops/empty.h>

#include "core/durable.h"
#include "core/error.h"
#include "core/json.h"

namespace attune {
namespace {

constexpr std::uint64_t kMaxHeader = 100'000'000;

struct Dtype {
  const char* name;
  int bytes;
  at::ScalarType type;
};
const Dtype kDtypes[] = {{"F64", 8, at::kDouble},         {"F32", 4, at::kFloat},
                         {"F16", 2, at::kHalf},           {"BF16", 2, at::kBFloat16},
                         {"I64", 8, at::kLong},           {"I32", 4, at::kInt},
                         {"I16", 2, at::kShort},          {"I8", 1, at::kChar},
                         {"U64", 8, at::kUInt64},         {"U32", 4, at::kUInt32},
                         {"U16", 2, at::kUInt16},         {"U8", 1, at::kByte},
                         {"BOOL", 1, at::kBool},          {"F8_E4M3", 1, at::kFloat8_e4m3fn},
                         {"F8_E5M2", 1, at::kFloat8_e5m2}};

const Dtype* find_dtype(const std::string& name) {
  for (const Dtype& dtype : kDtypes)
    if (name == dtype.name) return &dtype;
  return nullptr;
}

std::uint64_t unsigned_value(const Json& value, const std::string& place) {
  if (!value.is_number_unsigned())
    throw_error(ErrorKind::kData, place, ": expected a non-negative integer, found ", value.dump());
  return value.get<std::uint64_t>();
}

WeightEntry read_entry(const Json& json, const std::string& place, std::span<const std::byte> data,
                       std::uint64_t& begin, std::uint64_t& end) {
  if (!json.is_object() || !json.contains("dtype") || !json.contains("shape") ||
      !json.contains("data_offsets") || !json["dtype"].is_string() || !json["shape"].is_array() ||
      !json["data_offsets"].is_array() || json["data_offsets"].size() != 2)
    throw_error(ErrorKind::kData, place,
                ": expected {\"dtype\", \"shape\", \"data_offsets\": [begin, end]}");
  WeightEntry entry;
  entry.dtype = json["dtype"].get<std::string>();
  const Dtype* dtype = find_dtype(entry.dtype);
  if (!dtype) throw_error(ErrorKind::kData, place, ": dtype '", entry.dtype, "' is not known");
  std::uint64_t bytes = static_cast<std::uint64_t>(dtype->bytes);
  for (const Json& dimension : json["shape"]) {
    const std::uint64_t size = unsigned_value(dimension, place + ": shape");
    if (size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) ||
        __builtin_mul_overflow(bytes, size, &bytes))
      throw_error(ErrorKind::kData, place, ": shape ", json["shape"].dump(), " overflows 64 bits");
    entry.shape.push_back(static_cast<std::int64_t>(size));
  }
  begin = unsigned_value(json["data_offsets"][0], place + ": data_offsets");
  end = unsigned_value(json["data_offsets"][1], place + ": data_offsets");
  if (begin > end || end > data.size())
    throw_error(ErrorKind::kData, place, ": data_offsets [", begin, ", ", end,
                "] do not lie in the ", data.size(),
                " bytes of data that the file holds; it may be cut off: fetch it again");
  if (end - begin != bytes)
    throw_error(ErrorKind::kData, place, ": shape ", json["shape"].dump(), " of ", entry.dtype,
                " needs ", bytes, " bytes, data_offsets give ", end - begin);
  entry.bytes = data.subspan(begin, end - begin);
  return entry;
}

}  // namespace

void Weights::add_file(const std::string& path) {
  auto file = std::make_shared<const MappedFile>(path);
  const std::span<const std::byte> bytes = file->bytes();
  std::uint64_t header_size = 0;
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()),
                               std::min<std::size_t>(bytes.size(), 64));
  if (start.starts_with("version https://git-lfs"))
    throw_error(ErrorKind::kData, path,
                ": a pointer of Git LFS, not the weights: run `git lfs pull` in that directory");
  if (bytes.size() < 8)
    throw_error(ErrorKind::kData, path, ": not a safetensors file: it has ", bytes.size(),
                " bytes, the length of the header alone takes 8; fetch it again");
  std::memcpy(&header_size, bytes.data(), 8);
  if (header_size > kMaxHeader || header_size > bytes.size() - 8)
    throw_error(ErrorKind::kData, path, ": not a safetensors file, or cut off: a header of ",
                header_size, " bytes is announced, ", bytes.size() - 8,
                " bytes follow; fetch it again");
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + 8, header_size);
  if (!header.starts_with('{'))
    throw_error(ErrorKind::kData, path,
                ": not a safetensors file: its header does not begin with '{'");
  const Json json = parse_json(header, path + " (header)");
  const std::span<const std::byte> data = bytes.subspan(8 + header_size);

  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const auto& [name, value] : json.items()) {
    if (name == "__metadata__") {
      for (const auto& [key, text] : value.items())
        if (!value.is_object() || !text.is_string())
          throw_error(ErrorKind::kData, path, ": __metadata__: expected an object of strings");
      continue;
    }
    std::uint64_t begin = 0, end = 0;
    WeightEntry entry = read_entry(value, str_cat(path, ": tensor '", name, "'"), data, begin, end);
    entry.file = path;
    ranges.emplace_back(begin, end);
    if (!entries_.emplace(name, std::move(entry)).second)
      throw_error(ErrorKind::kData, path, ": tensor '", name, "' stands in two files of the model");
  }
  std::sort(ranges.begin(), ranges.end());
  std::uint64_t covered = 0;
  for (const auto& [begin, end] : ranges) {
    if (begin != covered)
      throw_error(ErrorKind::kData, path, ": tensors ",
                  begin < covered ? "overlap" : "leave a hole", " at byte ",
                  std::min(begin, covered), " of the data");
    covered = end;
  }
  if (covered != data.size())
    throw_error(ErrorKind::kData, path, ": ", data.size() - covered,
                " bytes after the last tensor belong to nothing");
  files_.push_back(std::move(file));
}

Weights Weights::from_file(const std::string& path) {
  Weights weights;
  weights.add_file(path);
  return weights;
}

Weights Weights::from_directory(const std::string& directory) {
  namespace fs = std::filesystem;
  Weights weights;
  const fs::path root(directory);
  if (file_exists((root / "model.safetensors").string())) {
    weights.add_file((root / "model.safetensors").string());
    return weights;
  }
  const std::string index_path = (root / "model.safetensors.index.json").string();
  if (!file_exists(index_path)) {
    for (const char* pickle : {"pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt"})
      if (file_exists((root / pickle).string()))
        throw_error(ErrorKind::kData, (root / pickle).string(),
                    ": pickles can run code and are not read. Convert once in Python: "
                    "AutoModel.from_pretrained(DIR).save_pretrained(DIR, safe_serialization=True)");
    for (const char* other : {"tf_model.h5", "flax_model.msgpack", "model.onnx", "onnx/model.onnx",
                              "openvino/openvino_model.xml"})
      if (file_exists((root / other).string()))
        throw_error(ErrorKind::kData, directory, ": no model.safetensors; ", other,
                    " is another program's: fetch the model's PyTorch weights (safetensors)");
    throw_error(ErrorKind::kData, directory,
                ": no weights: expected model.safetensors or model.safetensors.index.json; fetch "
                "the model again");
  }
  const Json index = read_json_file(index_path, 64 << 20);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    throw_error(ErrorKind::kData, index_path, ": expected an object with \"weight_map\"");
  std::set<std::string> shards;
  for (const auto& [name, shard] : index["weight_map"].items()) {
    if (!shard.is_string() || shard.get<std::string>().find_first_of("/\\") != std::string::npos ||
        shard.get<std::string>().empty())
      throw_error(ErrorKind::kData, index_path, ": weight_map '", name,
                  "': expected a file name beside the index, found ", shard.dump());
    shards.insert(shard.get<std::string>());
  }
  for (const std::string& shard : shards) {
    if (!file_exists((root / shard).string()))
      throw_error(ErrorKind::kData, (root / shard).string(), ": is not there, and ", index_path,
                  " names it: fetch the model again");
    weights.add_file((root / shard).string());
  }
  for (const auto& [name, shard] : index["weight_map"].items()) {
    const WeightEntry* entry = weights.find(name);
    if (!entry || fs::path(entry->file).filename() != shard.get<std::string>())
      throw_error(ErrorKind::kData, index_path, ": tensor '", name, "' is not in ", shard.dump());
  }
  return weights;
}

const WeightEntry* Weights::find(const std::string& name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : &found->second;
}

at::Tensor Weights::stored(const std::string& name) const {
  const WeightEntry& entry = entries_.at(name);
  at::Tensor copy = at::empty(entry.shape, find_dtype(entry.dtype)->type);
  if (!entry.bytes.empty())
    std::memcpy(copy.mutable_data_ptr(), entry.bytes.data(), entry.bytes.size());
  return copy;
}

void Weights::copy_to(const std::string& name, at::Tensor target) const {
  const WeightEntry& entry = entries_.at(name);
  const at::ScalarType type = find_dtype(entry.dtype)->type;
  if (type != at::kFloat && type != at::kHalf && type != at::kBFloat16 && type != at::kDouble)
    throw_error(ErrorKind::kData, entry.file, ": tensor '", name, "' is ", entry.dtype,
                ", expected F32, F16, BF16 or F64: quantised weights cannot be trained; fetch the "
                "model's original weights");
  ATTUNE_ASSERT(target.sizes() == at::IntArrayRef(entry.shape));
  target.copy_(stored(name));
}

void Weights::rename(const std::string& from, const std::string& to) {
  auto node = entries_.extract(from);
  ATTUNE_ASSERT(!node.empty());
  node.key() = to;
  const std::string file = node.mapped().file;
  if (!entries_.insert(std::move(node)).inserted)
    throw_error(ErrorKind::kData, file, ": tensor '", to, "' stands twice in the model, also as '",
                from, "': two models were mixed; fetch the model again");
}

WrittenFile write_safetensors(DurableDirectory& directory, const std::string& name,
                              const std::vector<NamedTensor>& tensors) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  std::uint64_t offset = 0;
  for (const NamedTensor& item : tensors) {
    const Dtype* dtype = nullptr;
    for (const Dtype& candidate : kDtypes)
      if (candidate.type == item.tensor.scalar_type()) dtype = &candidate;
    ATTUNE_ASSERT(dtype);
    const std::uint64_t bytes = item.tensor.nbytes();
    header[item.name] = {{"dtype", dtype->name},
                         {"shape", item.tensor.sizes().vec()},
                         {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // tensors begin aligned, as the format advises
  const std::uint64_t size = text.size();
  Sha256 hash;
  WrittenFile written{8 + size + offset, {}};
  directory.write_pieces(name, [&](const std::function<void(std::string_view)>& write) {
    const auto put = [&](std::string_view piece) {
      hash.update(piece);
      write(piece);
    };
    put({reinterpret_cast<const char*>(&size), 8});
    put(text);
    for (const NamedTensor& item : tensors) {
      const at::Tensor host = item.tensor.detach().to(at::kCPU).contiguous();
      put({static_cast<const char*>(host.const_data_ptr()), host.nbytes()});
    }
  });
  written.sha256 = hash.hex();
  return written;
}

}  // namespace attune
