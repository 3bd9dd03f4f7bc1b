#include "apps/machine_checks.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <thread>
#include <vector>

#include <unistd.h>

#include "core/durable.h"
#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kGiB = std::int64_t{1} << 30;

std::string first_line_with(const std::string& path, std::string_view beginning) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(beginning)) return line;
  return "";
}

std::string behind_colon(const std::string& line) {
  const std::size_t colon = line.find(": ");
  return colon == std::string::npos ? "" : line.substr(colon + 2);
}

bool has_flag(const std::string& flags, const std::string& flag) {
  return (" " + flags + " ").find(" " + flag + " ") != std::string::npos;
}

void check_processor(DoctorReport& report) {
  const std::string name = behind_colon(first_line_with("/proc/cpuinfo", "model name"));
  const std::string flags = behind_colon(first_line_with("/proc/cpuinfo", "flags"));
  std::string can;
  for (const char* flag : {"avx2", "avx512f", "avx512_bf16", "amx_bf16"})
    if (has_flag(flags, flag)) can += std::string(can.empty() ? "" : " ") + flag;
  const std::string found =
      str_cat(name.empty() ? "unknown" : name, ", ", std::thread::hardware_concurrency(),
              " threads", can.empty() ? "" : ", " + can);
  if (has_flag(flags, "avx2")) return report.fine("processor", found);
  report.lacks("processor", found + ", no avx2",
               "attune's own kernels run in their portable form, several times slower: take a "
               "processor with AVX2");
}

void check_memory(DoctorReport& report) {
  const std::int64_t available = available_memory();
  const std::string found = memory_text(available) + " available";
  if (available < kGiB)
    return report.failed("memory", found,
                         "a small model takes 1 GiB to train: end other programs, or raise the "
                         "limit of the container (ulimit -v, memory.max)");
  report.fine("memory", found);
}

void check_driver(DoctorReport& report) {
  const std::string version =
      behind_colon(first_line_with("/proc/driver/nvidia/version", "NVRM version"));
  if (version.empty())
    return report.lacks("NVIDIA driver", "none",
                        "nothing for work on the processor; for a GPU, install its driver "
                        "(Debian: apt-get install nvidia-driver)");
  report.fine("NVIDIA driver", version);
}

// The folder itself, or the nearest above it that is there.
fs::path nearest_folder(const std::string& output) {
  std::error_code ignored;
  fs::path folder = fs::absolute(output, ignored);
  while (!fs::is_directory(folder, ignored) && folder.has_parent_path() &&
         folder != folder.parent_path())
    folder = folder.parent_path();
  return folder;
}

void check_disk(const fs::path& folder, DoctorReport& report) {
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  if (error)
    return report.failed("disk", folder.string() + ": " + error.message(),
                         "give another folder with --output, and as 'output' in configurations");
  const auto free = static_cast<std::int64_t>(space.available);
  const std::string found = memory_text(free) + " free in " + folder.string();
  if (free < kGiB)
    return report.failed("disk", found,
                         "a run of a small model with its checkpoints takes 1 GiB: make room, or "
                         "give another 'output'");
  report.fine("disk", found);
}

void check_writing(const fs::path& folder, DoctorReport& report) {
  const std::string path = folder / (".attune-doctor-" + std::to_string(::getpid()));
  const std::string remedy =
      "runs are saved by write, fsync and rename: give a folder of a local file system that this "
      "user may write to, with --output and as 'output' in configurations";
  try {
    const std::string bytes(1 << 16, 'a');
    write_file_durably(path, bytes);
    const bool same = read_file(path) == bytes;
    remove_durably(path);
    if (!same) return report.failed("writing", folder.string() + ": other bytes came back", remedy);
  } catch (const Error& error) {
    return report.failed("writing", error.what(), remedy);
  }
  report.fine("writing", "write, fsync and rename work in " + folder.string());
}

void check_models(DoctorReport& report) {
  std::vector<fs::path> hubs;
  if (const char* hub = std::getenv("HF_HUB_CACHE")) hubs.emplace_back(hub);
  if (const char* home = std::getenv("HF_HOME")) hubs.push_back(fs::path(home) / "hub");
  if (const char* home = std::getenv("HOME"))
    hubs.push_back(fs::path(home) / ".cache/huggingface/hub");
  std::string found;
  for (const fs::path& hub : hubs) {
    std::error_code error;
    int models = 0;
    for (fs::directory_iterator entry(hub, error), end; !error && entry != end;
         entry.increment(error))
      if (entry->path().filename().string().starts_with("models--")) ++models;
    if (models > 0) found += str_cat(found.empty() ? "" : "; ", models, " in ", hub.string());
  }
  if (!found.empty()) return report.fine("model cache", found);
  report.lacks("model cache", "no model in the Hugging Face cache",
               "give a directory as model.base, or fetch one: hf download "
               "sentence-transformers/all-MiniLM-L6-v2 (attune never downloads)");
}

void check_pdf(DoctorReport& report) {
  const char* const path = std::getenv("PATH");
  const std::string folders = path == nullptr ? "" : path;
  for (std::size_t begin = 0; begin <= folders.size();) {
    const std::size_t end = std::min(folders.find(':', begin), folders.size());
    const std::string program = folders.substr(begin, end - begin) + "/pdftotext";
    if (end > begin && ::access(program.c_str(), X_OK) == 0)
      return report.fine("pdftotext", program);
    begin = end + 1;
  }
  report.lacks("pdftotext", "not found", "needed to read PDF: apt-get install poppler-utils");
}

}  // namespace

void check_machine(const std::string& output, DoctorReport& report) {
  check_processor(report);
  check_memory(report);
  check_driver(report);
  const fs::path folder = nearest_folder(output);
  check_disk(folder, report);
  check_writing(folder, report);
  check_models(report);
  check_pdf(report);
}

}  // namespace attune
