#include "io/digest.h"

#include <xxhash.h>

#include <array>
#include <new>

namespace steadyflux {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr int kDigitsPerHalf = 16;

void append_hex(std::uint64_t value, std::string& text) {
  for (int digit = kDigitsPerHalf - 1; digit >= 0; --digit) text += kHexDigits[(value >> (4 * digit)) & 0xF];
}

std::optional<std::uint64_t> parse_hex(std::string_view digits) {
  std::uint64_t value = 0;
  for (const char c : digits) {
    const std::size_t digit = kHexDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    value = value << 4 | digit;
  }
  return value;
}

}  // namespace

std::string Digest::to_hex() const {
  std::string text;
  append_hex(high, text);
  append_hex(low, text);
  return text;
}

std::optional<Digest> Digest::from_hex(std::string_view text) {
  if (text.size() != 2 * kDigitsPerHalf) return std::nullopt;
  const auto high = parse_hex(text.substr(0, kDigitsPerHalf));
  const auto low = parse_hex(text.substr(kDigitsPerHalf));
  if (!high || !low) return std::nullopt;
  return Digest{*high, *low};
}

struct Hasher::State {
  State() : library(XXH3_createState()) {
    if (library == nullptr) throw std::bad_alloc();
    XXH3_128bits_reset(library);
  }
  ~State() { XXH3_freeState(library); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  XXH3_state_t* library;
};

Hasher::Hasher() : state_(std::make_unique<State>()) {}
Hasher::~Hasher() = default;

void Hasher::add_bytes(std::span<const std::byte> bytes) {
  if (!bytes.empty()) XXH3_128bits_update(state_->library, bytes.data(), bytes.size());
}

void Hasher::add(std::uint64_t number) {
  std::array<std::byte, sizeof number> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(number >> (8 * i));
  add_bytes(bytes);
}

void Hasher::add(std::string_view text) {
  add(std::uint64_t{text.size()});
  add_bytes(std::as_bytes(std::span(text)));
}

void Hasher::add(const Digest& digest) {
  add(digest.high);
  add(digest.low);
}

Digest Hasher::digest() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_->library);
  return {hash.high64, hash.low64};
}

}  // namespace steadyflux
