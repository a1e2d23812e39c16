// For this room's tests: what the gguf and bitsandbytes packages make of blocks of every type.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace steadyflux::codec {

using Bytes = std::vector<std::byte>;

inline Bytes from_hex(const std::string& text) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

template <typename T>
std::vector<T> as(const Bytes& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

template <typename T>
Bytes bytes_of_all(const std::vector<T>& values) {
  Bytes bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

struct Golden {
  std::string kind;
  std::string type;
  std::vector<Bytes> fields;
};

// The lines of one kind; see tools/reference/make_codec_goldens.py. The tests run in the repository's root.
inline std::vector<Golden> goldens(const std::string& kind) {
  std::ifstream file("src/tensor/testdata/codecs.txt");
  EXPECT_TRUE(file.is_open());
  std::vector<Golden> found;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Golden golden;
    words >> golden.kind >> golden.type;
    if (golden.kind != kind) continue;
    for (std::string field; words >> field;) golden.fields.push_back(from_hex(field));
    found.push_back(std::move(golden));
  }
  EXPECT_FALSE(found.empty()) << kind;
  return found;
}

}  // namespace steadyflux::codec
