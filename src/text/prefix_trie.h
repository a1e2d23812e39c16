// A set of byte strings, each with a number, searched by prefix: vocabularies and added tokens.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace steadyflux::text {

// Holds 12 bytes per distinct prefix and none of the keys. Immutable, so it may be shared by threads.
class PrefixTrie {
 public:
  static constexpr std::int32_t kNone = -1;

  struct Entry {
    std::string_view key;  // an empty key is left out
    std::int32_t value;    // not negative
  };

  struct Match {
    std::size_t num_bytes = 0;
    std::int32_t value = kNone;
  };

  PrefixTrie() : nodes_(1) {}

  // Of entries with equal keys the last one counts.
  explicit PrefixTrie(std::vector<Entry> entries);

  // The value of `key`, or kNone.
  std::int32_t find(std::string_view key) const;

  // The longest key that `text` starts with; value kNone when there is none.
  Match longest_prefix(std::string_view text) const;

  // Calls visit(num_bytes, value) for every key that `text` starts with, shortest first.
  template <typename Visit>
  void for_each_prefix(std::string_view text, Visit&& visit) const {
    const Node* node = nodes_.data();
    for (std::size_t i = 0; i < text.size(); ++i) {
      node = child(*node, static_cast<std::uint8_t>(text[i]));
      if (node == nullptr) return;
      if (node->value != kNone) visit(i + 1, node->value);
    }
  }

 private:
  struct Node {
    std::uint32_t first_child = 0;
    std::int32_t value = kNone;
    std::uint16_t num_children = 0;  // adjacent, in the order of their labels
    std::uint8_t label = 0;
  };

  const Node* child(const Node& node, std::uint8_t label) const {
    const auto children = std::span(nodes_).subspan(node.first_child, node.num_children);
    const auto found = std::ranges::lower_bound(children, label, {}, &Node::label);
    return found != children.end() && found->label == label ? &*found : nullptr;
  }

  std::vector<Node> nodes_;  // breadth first; [0] is the root
};

}  // namespace steadyflux::text
