#include "core/crc32c.h"

#include <numeric>
#include <string>

#include <gtest/gtest.h>

namespace attune {
namespace {

// RFC 3720, appendix B.4, and the check value of the catalogues.
TEST(Crc32c, PublishedValues) {
  std::string up(32, '\0'), down(32, '\0');
  std::iota(up.begin(), up.end(), 0);
  std::iota(down.rbegin(), down.rend(), 0);
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43u);
  EXPECT_EQ(crc32c(up), 0x46DD794Eu);
  EXPECT_EQ(crc32c(down), 0x113FDB5Cu);
}

}  // namespace
}  // namespace attune
