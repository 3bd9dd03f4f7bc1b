// How the tests steer the processor's stand-in for a GPU (cuda_runtime.h beside this file).
//
// What it finds, and reports as cudaErrorLaunchFailure with words in failure():
//   - a barrier that not all threads of the block reach, or an exchange that not all named lanes
//     reach (also: a last warp that is not whole)
//   - threads that wait at different barriers or exchanges at the same time
// What it makes visible:
//   - a missing barrier: whoever reads what another thread writes gets another result when the
//     threads, or the blocks, run in another order
//   - shared memory read before it is written: it holds NaN
//   - reads and writes outside of any array, under AddressSanitizer
// What it does not see: anything about speed, and races that give the same result in each of these
// orders (compute-sanitizer on a GPU does).
#pragma once

#include <string>

namespace attune::cuda_emulation {

enum class ThreadOrder { kForward, kReverse, kShuffled };

// In which the threads of a block that can run are run, and the blocks of a grid.
void set_thread_order(ThreadOrder order);

// What was wrong with the last launch; empty if nothing.
const std::string& failure();

}  // namespace attune::cuda_emulation
