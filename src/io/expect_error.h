// For tests: that a call fails with a certain error.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/error.h"

namespace steadyflux {

// Expects `call` to throw an Error of `code` whose message contains `part`.
template <typename Call>
void expect_error(ErrorCode code, std::string_view part, Call call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
    EXPECT_NE(std::string_view(error.what()).find(part), std::string_view::npos) << error.what();
    return;
  }
  ADD_FAILURE() << "no error; expected one with: " << part;
}

}  // namespace steadyflux
