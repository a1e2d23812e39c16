// A file whose content is in memory, for tests and fuzzers.
#pragma once

#include <string>
#include <utility>

#include "io/file.h"

namespace steadyflux {

// Holds its content.
class MemoryFile final : public ReadableFile {
 public:
  MemoryFile(std::string name, std::string content) : name_(std::move(name)), content_(std::move(content)) {}

  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return content_.size(); }
  FileIdentity identity() const override { return {.size_bytes = content_.size()}; }

 private:
  std::size_t read_some(std::uint64_t offset, std::span<std::byte> out) const override;

  std::string name_;
  std::string content_;
};

// Collects what is written.
class MemorySink final : public ByteSink {
 public:
  void write(std::span<const std::byte> bytes) override;
  const std::string& content() const { return content_; }

 private:
  std::string content_;
};

}  // namespace steadyflux
