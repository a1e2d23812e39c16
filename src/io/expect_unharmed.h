// For tests: that no damage to a file does harm.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <string>

#include "base/error.h"

namespace steadyflux {

// Flips each bit of the first `num_bytes` bytes of `content` in turn. Expects `read`, which is given the damaged
// content and checks what it makes of it, to succeed or to blame the file by throwing an Error of one of `codes`.
template <typename Read>
void expect_unharmed_by_bit_flips(const std::string& content, std::size_t num_bytes,
                                  std::initializer_list<ErrorCode> codes, Read read) {
  for (std::size_t bit = 0; bit < num_bytes * 8; ++bit) {
    std::string flipped = content;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    SCOPED_TRACE(bit);
    try {
      read(flipped);
    } catch (const Error& error) {
      EXPECT_NE(std::find(codes.begin(), codes.end(), error.code()), codes.end()) << error.what();
    }
  }
}

}  // namespace steadyflux
