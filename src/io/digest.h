// Fingerprints of content: XXH3 in 128 bits.
//
// Two contents with one fingerprint do not happen by accident (2^-64 after 2^32 contents). It is no defence against
// somebody who makes them on purpose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace steadyflux {

struct Digest {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  // 32 lower-case hexadecimal digits.
  std::string to_hex() const;
  // What to_hex() gave; nothing for any other text.
  static std::optional<Digest> from_hex(std::string_view text);

  friend bool operator==(const Digest&, const Digest&) = default;
};

// Takes content piece by piece. Thread rule: one thread at a time.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;

  // Raw content: what counts are the bytes, not how they are cut into calls.
  void add_bytes(std::span<const std::byte> bytes);

  // Values that follow each other: none runs into the next. Numbers are eight bytes, little endian; a text has its
  // length before it.
  void add(std::uint64_t number);
  void add(std::string_view text);
  void add(const Digest& digest);

  // Of everything added so far.
  Digest digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace steadyflux
