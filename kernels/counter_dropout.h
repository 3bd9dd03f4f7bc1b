// Dropout without state: whether an element is kept is a hash of where it is, so the mask is the
// same for any chunking, thread count, rank or resume, and backward makes it again instead of
// storing it.
//
//   step key = f(seed, step)
//   call key = f(step key, layer, site)                one per dropout call of a step
//   row key  = f(call key, sequence uid, row of it)    one per token; attention: head and query
//   keep     = hash32(row key + column) >= p * 2^32
//
// hash32 is "lowbias32" (C. Wellons, Prospecting for Hash Functions, 2018); mix64 is the finaliser
// of SplitMix64 (Steele, Lea, Flood 2014). Shared by C++ and CUDA: equal bits on both.
#pragma once

#include <cstdint>

#include "kernels/host_device.h"

namespace attune {

// Where in the network a dropout stands; part of the call key.
enum class DropoutSite : std::uint8_t {
  kEmbeddings,
  kAttention,
  kAttentionOutput,
  kOutput,
  // Before the low rank part of each linear layer (models/linear.h).
  kQueryLowRank,
  kKeyLowRank,
  kValueLowRank,
  kAttentionOutputLowRank,
  kIntermediateLowRank,
  kOutputLowRank,
  kUpLowRank,
  kInner  // of a gated product
};

ATTUNE_HOST_DEVICE std::uint64_t mix64(std::uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ull;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

template <class Word>  // std::uint32_t, or a vector of them
ATTUNE_HOST_DEVICE Word hash32(Word x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  return x ^ (x >> 16);
}

ATTUNE_HOST_DEVICE std::uint64_t dropout_step_key(std::uint64_t seed, std::int64_t step) {
  return mix64(mix64(seed + 0x9e3779b97f4a7c15ull) ^ static_cast<std::uint64_t>(step));
}

// What a kernel needs to know of one dropout call. threshold 0: off.
struct Dropout {
  std::uint64_t place = 0;      // layer << 8 | site
  std::uint64_t step_key = 0;   // read where `stored_step_key` is null
  std::uint32_t threshold = 0;  // p * 2^32; an element whose hash is below it is dropped
  float scale = 1;              // 1 / (1 - p)
  // Where the kernel finds the step's key: work that is recorded once and replayed in every step
  // (models/recording.h) reads a new one each time.
  const std::uint64_t* stored_step_key = nullptr;

  ATTUNE_HOST_DEVICE bool on() const { return threshold != 0; }
  ATTUNE_HOST_DEVICE std::uint64_t call_key() const {
    return mix64((stored_step_key ? *stored_step_key : step_key) ^ place);
  }
  // probability in [0, 1)
  static Dropout make(double probability, std::uint64_t seed, std::int64_t step, int layer,
                      DropoutSite site) {
    Dropout dropout;
    if (probability <= 0) return dropout;
    dropout.place = static_cast<std::uint64_t>(layer) << 8 | static_cast<std::uint64_t>(site);
    dropout.step_key = dropout_step_key(seed, step);
    dropout.threshold = static_cast<std::uint32_t>(probability * 4294967296.0);
    dropout.scale = static_cast<float>(1.0 / (1.0 - probability));
    return dropout;
  }
};

// `row`: the token's position in its sequence; for attention head << 32 | query position.
ATTUNE_HOST_DEVICE std::uint32_t dropout_row_key(std::uint64_t call_key, std::int64_t sequence_uid,
                                                 std::uint64_t row) {
  return static_cast<std::uint32_t>(mix64(
      call_key ^ mix64(static_cast<std::uint64_t>(sequence_uid) * 0x9e3779b97f4a7c15ull + row)));
}

}  // namespace attune
