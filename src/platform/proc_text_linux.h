// Reading the kernel's text files without allocating.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace steadyflux {

// Reads the start of `path` into `buffer`; nothing when it cannot be read.
std::optional<std::string_view> read_proc_text(const char* path, std::span<char> buffer);

// The unsigned number after the first occurrence of `key`, blanks skipped; nothing when there is none. `key` must begin
// a line or follow a blank.
std::optional<std::uint64_t> number_after(std::string_view text, std::string_view key);

}  // namespace steadyflux
