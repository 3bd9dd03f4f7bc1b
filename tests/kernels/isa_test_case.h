// A test that runs once for each instruction set that the processor has.
#pragma once

#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include "kernels/attention.h"

namespace attune {

class IsaTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    previous_ = kernel_isa();
    try {
      set_kernel_isa(GetParam());
    } catch (const std::invalid_argument& e) {
      GTEST_SKIP() << e.what();
    }
  }
  void TearDown() override { set_kernel_isa(previous_.c_str()); }

 private:
  std::string previous_;
};

inline auto every_isa() { return testing::Values("portable", "avx2", "avx512"); }

}  // namespace attune
