#include "text/grapheme.h"

#include "text/unicode.h"
#include "text/utf8.h"

namespace steadyflux::text {
namespace {

using enum GraphemeClass;

bool is_breaking(GraphemeClass c) { return c == kCr || c == kLf || c == kControl; }

bool hangul_joins(GraphemeClass before, GraphemeClass after) {
  switch (before) {
    case kL:
      return after == kL || after == kV || after == kLv || after == kLvt;
    case kLv:
    case kV:
      return after == kV || after == kT;
    case kLvt:
    case kT:
      return after == kT;
    default:
      return false;
  }
}

// What the rules that look further back than one character need to know about the cluster so far.
struct Cluster {
  GraphemeClass last = kOther;
  bool pictographic_then_extend = false;  // a pictograph followed by nothing but extenders, then perhaps one joiner
  bool odd_regionals = false;
};

bool joins(const Cluster& cluster, GraphemeClass after, char32_t c) {
  if (cluster.last == kCr) return after == kLf;
  if (is_breaking(cluster.last) || is_breaking(after)) return false;
  if (after == kExtend || after == kZwj || after == kSpacingMark || cluster.last == kPrepend) return true;
  if (hangul_joins(cluster.last, after)) return true;
  if (cluster.last == kZwj && cluster.pictographic_then_extend && is_pictographic(c)) return true;
  return cluster.odd_regionals && after == kRegional;
}

void extend(Cluster& cluster, GraphemeClass added, char32_t c) {
  const bool still_extending = (added == kZwj || added == kExtend) && cluster.last != kZwj;
  cluster.pictographic_then_extend = is_pictographic(c) || (cluster.pictographic_then_extend && still_extending);
  cluster.odd_regionals = added == kRegional && !cluster.odd_regionals;
  cluster.last = added;
}

}  // namespace

std::size_t grapheme_end(std::string_view text, std::size_t position) {
  const auto is_plain = [&](std::size_t i) { return static_cast<unsigned char>(text[i]) - 0x20U < 0x5F; };
  const bool next_is_plain = position + 1 == text.size() || (position + 1 < text.size() && is_plain(position + 1));
  if (is_plain(position) && next_is_plain) return position + 1;

  Cluster cluster;
  std::size_t end = position;
  while (end < text.size()) {
    const DecodedChar c = decode_char(text, end);
    const GraphemeClass next = grapheme_class(c.code_point);
    if (end > position && !joins(cluster, next, c.code_point)) break;
    extend(cluster, next, c.code_point);
    end += c.num_bytes;
  }
  return end;
}

}  // namespace steadyflux::text
