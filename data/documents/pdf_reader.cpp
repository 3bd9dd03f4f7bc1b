#include "data/documents/pdf_reader.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.h"
#include "data/documents/encoding.h"
#include "data/documents/text_reader.h"

namespace attune {
namespace {

constexpr std::size_t kMaxComplaintBytes = 4096;

std::string words_of(int error) { return std::generic_category().message(error); }

// What the child writes: our end of a pipe and what has come out of it.
class Pipe {
 public:
  explicit Pipe(const std::string& path) {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0)
      throw_error(ErrorKind::kResources, path, ": no pipe for pdftotext: ", words_of(errno));
  }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int child_end() const { return ends_[1]; }
  void close_child_end() { close_end(1); }
  pollfd waited_for() const { return {ends_[0], POLLIN, 0}; }  // -1 is passed over by poll()
  bool is_open() const { return ends_[0] >= 0; }
  // What there is, at most 64 KiB at once; closes at the end.
  void read_some() {
    std::array<char, std::size_t{1} << 16> piece;
    const ssize_t got = ::read(ends_[0], piece.data(), piece.size());
    if (got > 0)
      bytes.append(piece.data(), static_cast<std::size_t>(got));
    else if (got == 0 || errno != EINTR)
      close_end(0);
  }

  std::string bytes;

 private:
  void close_end(int end) {
    if (ends_[end] >= 0) ::close(std::exchange(ends_[end], -1));
  }
  std::array<int, 2> ends_ = {-1, -1};
};

// pdftotext at work on one file; killed if it is still there at the end.
class PdfToText {
 public:
  PdfToText(const std::string& path, const PdfLimits& limits)
      : path_(path), limits_(limits), text_(path), complaints_(path) {
    start();
  }
  ~PdfToText() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    wait();
  }
  PdfToText(const PdfToText&) = delete;
  PdfToText& operator=(const PdfToText&) = delete;

  std::string run() {
    read_all();
    const int status = wait();
    if (WIFSIGNALED(status))
      throw_error(ErrorKind::kData, path_, ": pdftotext was ended by signal ", WTERMSIG(status),
                  "; ", kRemedy);
    if (WEXITSTATUS(status) == 3)
      throw_error(ErrorKind::kData, path_, ": the PDF does not allow its text to be copied; ",
                  kRemedy);
    if (WEXITSTATUS(status) != 0)
      throw_error(ErrorKind::kData, path_, ": pdftotext cannot read it: ", complaint(), "; ",
                  kRemedy);
    return std::move(text_.bytes);
  }

 private:
  static constexpr const char* kRemedy = "repair or decrypt the PDF, or exclude it";

  void start() {
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, text_.child_end(), 1);
    ::posix_spawn_file_actions_adddup2(&actions, complaints_.child_end(), 2);
    // "-x.pdf" would be an option.
    std::string file = path_.starts_with('-') ? "./" + path_ : path_;
    std::array<std::string, 6> words = {"pdftotext", "-enc", "UTF-8", "-eol", "unix", file};
    std::string standard_output = "-";
    std::array<char*, 8> arguments{};
    for (std::size_t i = 0; i < words.size(); ++i) arguments[i] = words[i].data();
    arguments[words.size()] = standard_output.data();
    const int error =
        ::posix_spawnp(&child_, "pdftotext", &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    text_.close_child_end();
    complaints_.close_child_end();
    if (error == 0) return;
    child_ = -1;
    if (error == ENOENT)
      throw_error(ErrorKind::kResources, path_,
                  ": PDF is read with the program pdftotext, which is not there; install it (apt "
                  "install poppler-utils), or exclude PDF files (documents.exclude: ['*.pdf'])");
    throw_error(ErrorKind::kResources, path_, ": pdftotext cannot be started: ", words_of(error));
  }

  void read_all() {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point end = Clock::now() + std::chrono::seconds(limits_.max_seconds);
    while (text_.is_open() || complaints_.is_open()) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
      if (left <= 0)
        throw_error(ErrorKind::kData, path_, ": pdftotext took longer than ", limits_.max_seconds,
                    " s; ", kRemedy);
      std::array<pollfd, 2> pipes = {text_.waited_for(), complaints_.waited_for()};
      if (::poll(pipes.data(), pipes.size(), static_cast<int>(left)) < 0 && errno != EINTR)
        throw_error(ErrorKind::kResources, path_, ": cannot wait for pdftotext: ", words_of(errno));
      if (pipes[0].revents != 0) text_.read_some();
      if (pipes[1].revents != 0) complaints_.read_some();
      if (text_.bytes.size() > limits_.max_text_bytes)
        throw_error(ErrorKind::kData, path_, ": more than ", limits_.max_text_bytes,
                    " bytes of text in one PDF; split or exclude it");
      if (complaints_.bytes.size() > kMaxComplaintBytes)
        complaints_.bytes.erase(0, complaints_.bytes.size() - kMaxComplaintBytes);
    }
  }

  int wait() {
    int status = 0;
    while (::waitpid(child_, &status, 0) < 0 && errno == EINTR) {
    }
    child_ = -1;
    return status;
  }

  // The last line of what pdftotext says, which tells what it failed at.
  std::string complaint() const {
    const std::string_view all = complaints_.bytes;
    const std::size_t end = all.find_last_not_of("\r\n");
    if (end == std::string_view::npos) return "it does not say why";
    const std::string_view lines = all.substr(0, end + 1);
    return std::string(lines.substr(lines.rfind('\n') + 1));
  }

  const std::string& path_;
  const PdfLimits& limits_;
  Pipe text_, complaints_;
  pid_t child_ = -1;
};

}  // namespace

DocumentContent read_pdf(const std::string& path, const PdfLimits& limits) {
  std::string text = PdfToText(path, limits).run();
  // Fonts without a table of characters give NUL and the like.
  std::replace(text.begin(), text.end(), '\0', ' ');
  text = decode_text(std::move(text), "utf-8", path + " (pdftotext's output)");
  DocumentContent document;
  int number = 1;
  for (std::size_t begin = 0; begin < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\f', begin), text.size());
    Section page;
    page.text = unwrap_paragraphs(std::string_view(text).substr(begin, end - begin), true);
    page.page = number;
    if (!page.text.empty()) document.sections.push_back(std::move(page));
    begin = end + 1;
  }
  return document;
}

}  // namespace attune
