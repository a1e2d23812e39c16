#include "text/prefix_trie.h"

namespace steadyflux::text {
namespace {

// The sorted entries [begin, end) share their first `depth` bytes, which lead to `node`.
struct Pending {
  std::size_t node;
  std::size_t begin;
  std::size_t end;
};

void sort_unique(std::vector<PrefixTrie::Entry>& entries) {
  std::erase_if(entries, [](const auto& entry) { return entry.key.empty(); });
  std::ranges::stable_sort(entries, {}, &PrefixTrie::Entry::key);
  // unique() keeps the first of equals, so it runs from the back.
  const auto last_ones =
      std::unique(entries.rbegin(), entries.rend(), [](const auto& a, const auto& b) { return a.key == b.key; });
  entries.erase(entries.begin(), last_ones.base());
}

}  // namespace

PrefixTrie::PrefixTrie(std::vector<Entry> entries) : nodes_(1) {
  sort_unique(entries);
  std::vector<Pending> level = {{0, 0, entries.size()}};
  for (std::size_t depth = 0; !level.empty(); ++depth) {
    std::vector<Pending> next;
    for (Pending pending : level) {
      if (pending.begin < pending.end && entries[pending.begin].key.size() == depth) {
        nodes_[pending.node].value = entries[pending.begin++].value;
      }
      nodes_[pending.node].first_child = static_cast<std::uint32_t>(nodes_.size());
      while (pending.begin < pending.end) {
        const char label = entries[pending.begin].key[depth];
        std::size_t end = pending.begin;
        while (end < pending.end && entries[end].key[depth] == label) ++end;
        next.push_back({nodes_.size(), pending.begin, end});
        nodes_.push_back({.label = static_cast<std::uint8_t>(label)});
        ++nodes_[pending.node].num_children;
        pending.begin = end;
      }
    }
    level = std::move(next);
  }
  nodes_.shrink_to_fit();
}

std::int32_t PrefixTrie::find(std::string_view key) const {
  const Node* node = nodes_.data();
  for (const char c : key) {
    node = child(*node, static_cast<std::uint8_t>(c));
    if (node == nullptr) return kNone;
  }
  return node->value;
}

PrefixTrie::Match PrefixTrie::longest_prefix(std::string_view text) const {
  Match longest;
  for_each_prefix(text, [&](std::size_t num_bytes, std::int32_t value) { longest = {num_bytes, value}; });
  return longest;
}

}  // namespace steadyflux::text
