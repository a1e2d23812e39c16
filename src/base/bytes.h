// Byte counts as people write them: "8G", "512M", "1.5GiB"; units are powers of 1024.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace steadyflux {

// Parses a decimal number with an optional unit K, M, G, T (also KiB, KB, …: the same powers of 1024), case-blind.
// Throws Error(kInvalidArgument) that quotes `text` when it is not such a size, is negative or overflows.
std::uint64_t parse_bytes(std::string_view text);

// "742 B", "1.50 GiB": three significant places, for people.
std::string format_bytes(std::uint64_t bytes);

// Both for people who compare them: where three places would show different counts as one, in whole smaller units that
// tell them apart, "2048 MiB" and "2046 MiB".
struct BytesApart {
  std::string first;
  std::string second;
};
BytesApart format_apart(std::uint64_t first, std::uint64_t second);

}  // namespace steadyflux
