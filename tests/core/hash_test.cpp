#include "core/hash.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/core/scratch.h"

namespace attune {
namespace {

// NIST FIPS 180-4 examples and the SHA-256 example computations.
TEST(Sha256, EqualsTheVectorsOfNist) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                   "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"),
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  EXPECT_EQ(sha256(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesMakeNoDifference) {
  Sha256 hash;
  for (int i = 0; i < 1000; ++i) hash.update(std::string(1000, 'a')).update("");
  EXPECT_EQ(hash.hex(), sha256(std::string(1'000'000, 'a')));
  EXPECT_THROW(hash.update("more"), InternalError);
  EXPECT_THROW(hash.hex(), InternalError);
}

TEST(Sha256, OfAFile) {
  const Scratch scratch;
  std::ofstream(scratch / "a") << "abc";
  EXPECT_EQ(sha256_file(scratch / "a"), sha256("abc"));
  std::ofstream(scratch / "empty").flush();
  EXPECT_EQ(sha256_file(scratch / "empty"), sha256(""));
  EXPECT_THROW(sha256_file(scratch / "none"), Error);
  EXPECT_THROW(sha256_file(scratch.path()), Error);
}

}  // namespace
}  // namespace attune
