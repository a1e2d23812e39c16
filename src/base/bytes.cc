#include "base/bytes.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/error.h"

namespace steadyflux {
namespace {

// The power of 1024 that a unit such as "G", "gb" or "GiB" stands for, or -1.
int unit_power(std::string_view unit) {
  if (unit.empty() || unit == "b" || unit == "B") return 0;
  static constexpr std::string_view kPrefixes = "kmgt";
  const auto prefix = kPrefixes.find(static_cast<char>(std::tolower(static_cast<unsigned char>(unit[0]))));
  if (prefix == std::string_view::npos) return -1;
  const std::string_view rest = unit.substr(1);
  const bool known = rest.empty() || rest == "b" || rest == "B" || rest == "ib" || rest == "iB" || rest == "IB";
  return known ? static_cast<int>(prefix) + 1 : -1;
}

constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};

// The largest unit of which there is one or more.
std::size_t unit_of(std::uint64_t bytes) {
  std::size_t unit = 0;
  while (unit + 1 < kUnits.size() && (bytes >> (10 * (unit + 1))) > 0) ++unit;
  return unit;
}

std::string whole_units(std::uint64_t bytes, std::size_t unit) {
  return std::to_string(bytes >> (10 * unit)) + ' ' + kUnits[unit];
}

}  // namespace

std::uint64_t parse_bytes(std::string_view text) {
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  const int power = unit_power(unit);
  if (status != std::errc{} || power < 0 || !std::isfinite(value) || value < 0) {
    fail(ErrorCode::kInvalidArgument, "'", text, "' is not a size; write for example 8G, 512M or 1.5GiB");
  }
  const double bytes = std::ldexp(value, 10 * power);
  if (bytes >= 0x1p63) fail(ErrorCode::kInvalidArgument, "the size '", text, "' is too large");
  return static_cast<std::uint64_t>(std::llround(bytes));
}

std::string format_bytes(std::uint64_t bytes) {
  const std::size_t unit = unit_of(bytes);
  const double value = std::ldexp(static_cast<double>(bytes), -10 * static_cast<int>(unit));
  std::array<char, 32> text{};
  const int places = unit == 0 ? 0 : (value < 10 ? 2 : (value < 100 ? 1 : 0));
  std::snprintf(text.data(), text.size(), "%.*f %s", places, value, kUnits[unit]);
  return text.data();
}

BytesApart format_apart(std::uint64_t first, std::uint64_t second) {
  BytesApart texts = {format_bytes(first), format_bytes(second)};
  if (first == second) return texts;
  for (std::size_t unit = unit_of(std::max(first, second)); texts.first == texts.second && unit-- > 0;) {
    texts = {whole_units(first, unit), whole_units(second, unit)};
  }
  return texts;
}

}  // namespace steadyflux
