// What a zip archive of torch.save says of its records, before LibTorch's reader believes it: that
// one allocates whatever size a record claims, some of them already when it opens the file.
// Format: PKWARE's APPNOTE.TXT 6.3.10, 4.3.12 to 4.3.16.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace attune {

// The largest uncompressed size of a record in the directory that LibTorch reads, too: the one that
// the last 22 bytes lead to (torch writes no comment behind them). Error{kData}: there is none, or
// it leaves the file.
std::uint64_t largest_record(std::span<const std::byte> archive);

}  // namespace attune
