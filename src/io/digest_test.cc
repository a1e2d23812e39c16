#include "io/digest.h"

#include <gtest/gtest.h>

#include <string>

namespace steadyflux {
namespace {

Digest digest_of(std::string_view text) {
  Hasher hasher;
  hasher.add_bytes(std::as_bytes(std::span(text)));
  return hasher.digest();
}

// The published values of the algorithm for no bytes, and what its own command prints for "abc".
TEST(Digest, IsXxh3) {
  EXPECT_EQ(digest_of("").to_hex(), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(digest_of("abc").to_hex(), "06b05ab6733a618578af5f94892f3950");
}

TEST(Digest, DoesNotDependOnHowContentIsCut) {
  std::string text(10000, 'x');
  text[5000] = 'y';
  Hasher hasher;
  for (std::size_t at = 0; at < text.size(); at += 777) {
    hasher.add_bytes(std::as_bytes(std::span(text)).subspan(at, std::min<std::size_t>(777, text.size() - at)));
  }
  EXPECT_EQ(hasher.digest(), digest_of(text));
}

TEST(Digest, KeepsValuesApart) {
  Hasher ab_c;
  ab_c.add("ab");
  ab_c.add("c");
  Hasher a_bc;
  a_bc.add("a");
  a_bc.add("bc");
  EXPECT_NE(ab_c.digest(), a_bc.digest());
}

TEST(Digest, ReadsWhatItWrote) {
  const Digest digest = {0x0123456789abcdef, 0xfedcba9876543210};
  EXPECT_EQ(digest.to_hex(), "0123456789abcdeffedcba9876543210");
  EXPECT_EQ(Digest::from_hex(digest.to_hex()), digest);
  for (const char* wrong : {"", "0123", "0123456789abcdeffedcba987654321", "0123456789abcdeffedcba9876543210f",
                            "0123456789ABCDEFfedcba9876543210", "0123456789abcdef-edcba9876543210"}) {
    EXPECT_EQ(Digest::from_hex(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace steadyflux
