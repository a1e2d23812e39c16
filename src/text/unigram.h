// The Unigram model: the segmentation of a text into pieces with the greatest sum of scores.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "text/prefix_trie.h"

namespace steadyflux::text {

// Kudo 2018, "Subword Regularization", decoded by Viterbi. The piece's number in the vocabulary is its id. A character
// that starts no piece of its own length costs the lowest score less 10; neighbouring unknown characters are one token.
//
// Immutable, so it may be shared by threads.
class Unigram {
 public:
  struct Piece {
    std::string_view text;  // borrowed during construction only
    double score;
  };

  // `unk_id`, when there is one, must be below pieces.size(). With `byte_fallback` an unknown token becomes the pieces
  // <0x00> … <0xFF> of its bytes where the vocabulary has them all.
  Unigram(const std::vector<Piece>& pieces, std::optional<std::int32_t> unk_id, bool byte_fallback);

  // Appends the ids of `text` (valid UTF-8).
  // Throws Error(kInvalidFile) when a character is unknown and there is no unknown piece.
  void encode(std::string_view text, std::vector<std::int32_t>& ids) const;

  // The id of a piece, or PrefixTrie::kNone.
  std::int32_t find(std::string_view piece) const { return trie_.find(piece); }

  std::int32_t size() const { return static_cast<std::int32_t>(scores_.size()); }

 private:
  // How the best segmentation of the text up to some byte ends.
  struct Arrival {
    double score = 0;
    std::int64_t begin = -1;  // of the last piece; -1 while nothing ends here
    std::int32_t id = 0;
  };

  std::vector<Arrival> best_arrivals(std::string_view text) const;
  std::int32_t unknown_id() const;
  void append_unknown(std::string_view text, std::vector<std::int32_t>& ids) const;

  PrefixTrie trie_;
  std::vector<double> scores_;
  std::optional<std::int32_t> unk_id_;
  double unk_score_ = 0;
  bool byte_fallback_ = false;
  std::array<std::int32_t, 256> byte_ids_{};
};

}  // namespace steadyflux::text
