// Names of output pictures.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace steadyflux::cli {

// A path in which %s stands for the seed and %i for the picture's number, counted from 0.
class OutputPattern {
 public:
  // When there are several pictures and nothing in `text` tells them apart (%i; or %s if no two have one seed), "-%i"
  // is put before the extension, so that none overwrites another. Throws Error(kInvalidArgument) on any other % and
  // when `text` does not end in .png.
  OutputPattern(const std::string& text, bool several, bool seeds_differ);

  std::filesystem::path path(int index, std::uint64_t seed) const;

  // Throws Error(kIo) when the directory is missing or cannot be written, before any work is spent.
  void check_writable() const;

 private:
  std::string text_;
};

}  // namespace steadyflux::cli
