#include "retrieval/index/index_writer.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <unordered_map>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/durable.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "retrieval/index/node_embedder.h"
#include "retrieval/index/node_lines.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = NodeEmbedder::kBlock;
constexpr std::string_view kPrefix = "generation-";

using Put = std::function<void(std::string_view)>;

// Adds up what is written.
class Measured {
 public:
  explicit Measured(const Put& put) : put_(put) {}
  void put(std::string_view bytes) {
    put_(bytes);
    hash_.update(bytes);
    size_ += bytes.size();
  }
  IndexFile file() { return {size_, hash_.hex()}; }

 private:
  const Put& put_;
  Sha256 hash_;
  std::uint64_t size_ = 0;
};

IndexFile write_measured(DurableDirectory& out, const char* name,
                         const std::function<void(Measured&)>& fill) {
  IndexFile file;
  out.write_pieces(name, [&](const Put& put) {
    Measured measured(put);
    fill(measured);
    file = measured.file();
  });
  return file;
}

// The vectors of the next generation, one block after the other.
class VectorSource {
 public:
  VectorSource(const IndexContents& contents, const IndexGeneration* old,
               std::vector<std::int64_t> kept, const BaseEmbedding& model,
               const std::function<bool()>& stop_requested)
      : contents_(contents),
        old_(old),
        kept_(std::move(kept)),
        embedder_(model, stop_requested, std::count(kept_.begin(), kept_.end(), -1)) {}

  std::int64_t embedded() const { return embedder_.embedded(); }
  // Whether the old rows are the first new ones, so that their graph can grow.
  bool keeps_all_in_order() const {
    if (!old_ || old_->size() > std::ssize(kept_)) return false;
    for (std::int64_t row = 0; row < old_->size(); ++row)
      if (kept_[row] != row) return false;
    return true;
  }

  // Rows [begin, end) to out [end - begin, dimension].
  void read(std::size_t begin, std::size_t end, std::span<float> out) {
    const auto width = static_cast<std::size_t>(contents_.space.dimension);
    std::vector<const TextNode*> fresh_nodes;
    for (std::size_t i = begin; i < end; ++i)
      if (kept_[i] < 0) fresh_nodes.push_back(&contents_.nodes[i]);
    const std::vector<float> fresh = embedder_.embed(fresh_nodes);
    std::size_t next = 0;
    for (std::size_t i = begin; i < end; ++i) {
      const float* from =
          kept_[i] < 0 ? fresh.data() + width * next++ : old_->vectors().data() + width * kept_[i];
      std::copy_n(from, width, out.data() + (i - begin) * width);
    }
  }

 private:
  const IndexContents& contents_;
  const IndexGeneration* old_;
  std::vector<std::int64_t> kept_;
  NodeEmbedder embedder_;
};

std::string_view bytes_of(std::span<const float> numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()};
}

// The old graph grown by the new rows, or a new one.
std::string make_graph(std::span<const float> vectors, int dimension, const Fingerprint& sha256,
                       const IndexGeneration* grown) {
  NeighbourGraph graph(vectors, dimension);
  if (grown && grown->has_graph())
    graph.restore(grown->graph_bytes(), grown->manifest().vector_file.sha256,
                  grown->directory() + ", the graph that is grown");
  graph.add_rows();
  return graph.file_bytes(sha256);
}

// 0 for what is no number of ours.
std::int64_t number_of(std::string_view digits) {
  std::int64_t number = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number);
  return error == std::errc() && stop == end && number < (std::int64_t{1} << 40) ? number : 0;
}

// Names in an index's folder.
bool is_ours(const std::string& name) {
  return name == "current.json" || name.starts_with(kPrefix) || name.starts_with(".generation-") ||
         name.starts_with(".current.json.");
}

}  // namespace

IndexWriter::IndexWriter(const std::string& directory, Damaged damaged)
    : directory_(directory), damaged_(damaged) {
  std::error_code error;
  if (damaged == Damaged::kReplaced)
    make_directories_durably(directory_);
  else if (!file_exists(directory_))
    throw_error(ErrorKind::kData, directory_, ": the index is gone; make it with from_documents");
  for (const auto& entry : fs::directory_iterator(directory_, error))
    if (!is_ours(entry.path().filename().string()))
      throw_error(ErrorKind::kData, directory_, ": holds '", entry.path().filename().string(),
                  "', which is no part of an index; give an empty folder or a new one");
  descriptor_ = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor_ < 0)
    throw_error(ErrorKind::kResources, directory_,
                ": cannot open: ", std::generic_category().message(errno));
  try {
    lock();
    open_newest();
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

IndexWriter::~IndexWriter() { ::close(descriptor_); }

void IndexWriter::lock() {
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  if (errno == EWOULDBLOCK)
    throw_error(ErrorKind::kResources, directory_,
                ": another process writes this index; try again when it is done");
  throw_error(ErrorKind::kResources, directory_,
              ": cannot lock: ", std::generic_category().message(errno));
}

void IndexWriter::open_newest() {
  remove_stale_temporaries_below(directory_);
  try {
    if (read_current(directory_)) {
      auto newest = IndexGeneration::open(directory_);
      newest->verify();  // else damage would be copied under a new hash
      newest_ = std::move(newest);
    }
    remove_leftovers();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kData || damaged_ == Damaged::kRefused) throw;
    log_warning(str_cat(error.what(), "; it is made anew, and all texts are embedded"));
  }
  // A damaged one keeps its number until it is replaced.
  for (const auto& entry : fs::directory_iterator(directory_)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kPrefix))
      last_number_ = std::max(last_number_, number_of(name.substr(kPrefix.size())));
  }
}

// Generations that current.json does not name.
void IndexWriter::remove_leftovers() const {
  const auto current = read_current(directory_);
  for (const auto& entry : fs::directory_iterator(directory_)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix) || (current && name == current->name())) continue;
    try {
      remove_durably(entry.path().string());
    } catch (const Error& error) {
      log_warning(str_cat(error.what(), "; the next write of this index tries again"));
    }
  }
}

// For each node the old row with its vector, or -1.
std::vector<std::int64_t> IndexWriter::rows_to_keep(const IndexContents& contents) const {
  const IndexGeneration* old = newest_.get();
  std::vector<std::int64_t> rows(contents.nodes.size(), -1);
  if (!old || old->manifest().space.document_space != contents.space.document_space ||
      old->manifest().space.dimension != contents.space.dimension)
    return rows;
  std::unordered_map<std::string, std::int64_t> row_of;
  for (std::int64_t row = old->size() - 1; row >= 0; --row)
    row_of[sha256(old->node(row).text)] = row;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const TextNode& node = contents.nodes[i];
    // The row with this id before another row with this text, so that rows keep their order.
    const std::int64_t same = old->find(node.id);
    if (same >= 0 && old->node(same).text == node.text)
      rows[i] = same;
    else if (const auto found = row_of.find(sha256(node.text)); found != row_of.end())
      rows[i] = found->second;
  }
  return rows;
}

void IndexWriter::switch_to(const CurrentGeneration& next) {
  try {
    write_file_durably(directory_ + "/current.json", next.to_json());
  } catch (...) {
    const auto failure = std::current_exception();
    try {
      remove_durably(directory_ + "/" + next.name());
    } catch (const Error&) {  // the next writer removes it
    }
    std::rethrow_exception(failure);
  }
  newest_ = IndexGeneration::open(directory_);
  last_number_ = next.number;
  remove_leftovers();
}

std::int64_t IndexWriter::write(const IndexContents& contents, const BaseEmbedding& model,
                                const std::function<bool()>& stop_requested) {
  const IndexGeneration* old = newest_.get();
  VectorSource source(contents, old, rows_to_keep(contents), model, stop_requested);
  CurrentGeneration next{last_number_ + 1, ""};
  DurableDirectory out(directory_ + "/" + next.name());
  IndexManifest manifest;
  manifest.space = contents.space;
  manifest.nodes = std::ssize(contents.nodes);
  manifest.node_file = write_measured(out, "nodes.jsonl", [&](Measured& file) {
    for (const TextNode& node : contents.nodes) file.put(node_line(node));
  });

  const std::size_t width = static_cast<std::size_t>(contents.space.dimension);
  std::vector<float> all;  // for the graph
  manifest.vector_file = write_measured(out, "vectors.safetensors", [&](Measured& file) {
    file.put(manifest.vector_header());
    for (std::size_t begin = 0; begin < contents.nodes.size(); begin += kBlock) {
      const std::size_t end = std::min(begin + kBlock, contents.nodes.size());
      std::vector<float> block((end - begin) * width);
      source.read(begin, end, block);
      file.put(bytes_of(block));
      if (contents.approximate) all.insert(all.end(), block.begin(), block.end());
    }
  });
  if (contents.approximate) {
    const std::string graph = make_graph(all, contents.space.dimension, manifest.vector_file.sha256,
                                         source.keeps_all_in_order() ? old : nullptr);
    manifest.graph_file =
        write_measured(out, "neighbours.graph", [&](Measured& file) { file.put(graph); });
  }
  const std::string text = manifest.to_json();
  out.write("manifest.json", text);
  out.commit();
  next.manifest = sha256(text);
  switch_to(next);
  return source.embedded();
}

}  // namespace attune
