#include "text/token_texts.h"

#include <algorithm>

namespace steadyflux::text {

TokenTexts::TokenTexts(std::vector<Entry> entries) {
  std::ranges::stable_sort(entries, {}, &Entry::id);
  std::size_t num_bytes = 0;
  for (const Entry& entry : entries) num_bytes += entry.text.size();
  bytes_.reserve(num_bytes);
  extents_.reserve(entries.size());
  for (const Entry& entry : entries) {
    extents_.push_back(
        {entry.id, static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(entry.text.size())});
    bytes_ += entry.text;
  }
}

std::string_view TokenTexts::text(std::int32_t id) const {
  const auto found = std::ranges::lower_bound(extents_, id, {}, &Extent::id);
  if (found == extents_.end() || found->id != id) return {};
  return std::string_view(bytes_).substr(found->begin, found->size);
}

std::int32_t TokenTexts::find(std::string_view text) const {
  for (std::size_t i = extents_.size(); i-- > 0;) {
    if (std::string_view(bytes_).substr(extents_[i].begin, extents_[i].size) == text) return extents_[i].id;
  }
  return -1;
}

}  // namespace steadyflux::text
