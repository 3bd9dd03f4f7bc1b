// Every writer of durable files, as the fault tests see it. A new writer is one row here: how the
// old state is written, how the new one, and what the real reader makes of what is found.
//
// Not rows of their own, since they are one call of write_file_durably or one DurableDirectory like
// those below: config.yaml, evaluation.json, sweep.json, datasets/*.json of a run, the .npy of
// `attune embed`, the folder of `attune data split`.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace attune {

struct Writer {
  std::string name;
  // Into `folder`, which is there; writing the new state twice gives it as well.
  std::function<void(const std::string& folder)> write_old, write_new;
  // What the reader gives, "" where there is nothing; throws where it refuses.
  std::function<std::string(const std::string& folder)> load;
  // The new state is the old one and something behind it, which may be there in part.
  bool grows = false;
};

std::vector<Writer> writers();

inline void PrintTo(const Writer& writer, std::ostream* out) { *out << writer.name; }

}  // namespace attune
