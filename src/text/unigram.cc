#include "text/unigram.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "text/utf8.h"

namespace steadyflux::text {
namespace {

// sentencepiece's constant: how far below the worst piece an unknown character lies.
constexpr double kUnknownPenalty = 10.0;

std::string byte_piece(std::size_t byte) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  return std::string("<0x") + kHex[byte / 16] + kHex[byte % 16] + '>';
}

PrefixTrie make_trie(const std::vector<Unigram::Piece>& pieces) {
  std::vector<PrefixTrie::Entry> entries;
  entries.reserve(pieces.size());
  for (const auto& piece : pieces) entries.push_back({piece.text, static_cast<std::int32_t>(entries.size())});
  return PrefixTrie(std::move(entries));
}

}  // namespace

Unigram::Unigram(const std::vector<Piece>& pieces, std::optional<std::int32_t> unk_id, bool byte_fallback)
    : trie_(make_trie(pieces)), unk_id_(unk_id), byte_fallback_(byte_fallback) {
  ensure(!pieces.empty() && (!unk_id || *unk_id < static_cast<std::int32_t>(pieces.size())), "unigram unk_id");
  scores_.reserve(pieces.size());
  for (const Piece& piece : pieces) scores_.push_back(piece.score);
  unk_score_ = *std::ranges::min_element(scores_) - kUnknownPenalty;
  for (std::size_t byte = 0; byte < byte_ids_.size(); ++byte) byte_ids_[byte] = trie_.find(byte_piece(byte));
}

std::int32_t Unigram::unknown_id() const {
  if (!unk_id_) {
    fail(ErrorCode::kInvalidFile,
         "the tokenizer's vocabulary has no unknown piece, and the prompt has a character that "
         "is in none; expected model.unk_id to name one");
  }
  return *unk_id_;
}

std::vector<Unigram::Arrival> Unigram::best_arrivals(std::string_view text) const {
  std::vector<Arrival> arrivals(text.size() + 1);
  for (std::size_t begin = 0; begin < text.size();) {
    const double score_so_far = arrivals[begin].score;
    const auto offer = [&](std::size_t num_bytes, double score, std::int32_t id) {
      Arrival& arrival = arrivals[begin + num_bytes];
      // Strictly greater: of equal segmentations the one found first stays, as in the reference.
      if (arrival.begin < 0 || score + score_so_far > arrival.score) {
        arrival = {score + score_so_far, static_cast<std::int64_t>(begin), id};
      }
    };
    const std::size_t char_bytes = decode_char(text, begin).num_bytes;
    bool char_is_piece = false;
    trie_.for_each_prefix(text.substr(begin), [&](std::size_t num_bytes, std::int32_t id) {
      offer(num_bytes, scores_[static_cast<std::size_t>(id)], id);
      char_is_piece = char_is_piece || num_bytes == char_bytes;
    });
    if (!char_is_piece) offer(char_bytes, unk_score_, unknown_id());
    begin += char_bytes;
  }
  return arrivals;
}

void Unigram::append_unknown(std::string_view text, std::vector<std::int32_t>& ids) const {
  // A run of unknown characters may spell a piece that the best segmentation passed over.
  if (const std::int32_t id = trie_.find(text); id != PrefixTrie::kNone) {
    ids.push_back(id);
    return;
  }
  const auto byte_id = [&](char c) { return byte_ids_[static_cast<std::uint8_t>(c)]; };
  const auto has_piece = [&](char c) { return byte_id(c) != PrefixTrie::kNone; };
  if (byte_fallback_ && std::ranges::all_of(text, has_piece)) {
    std::ranges::transform(text, std::back_inserter(ids), byte_id);
  } else {
    ids.push_back(unknown_id());
  }
}

void Unigram::encode(std::string_view text, std::vector<std::int32_t>& ids) const {
  const std::vector<Arrival> arrivals = best_arrivals(text);
  std::vector<std::size_t> ends;  // of the pieces on the best path, last first
  for (std::size_t end = text.size(); end > 0; end = static_cast<std::size_t>(arrivals[end].begin)) ends.push_back(end);

  std::size_t begin = 0;
  for (std::size_t i = ends.size(); i-- > 0;) {
    const std::int32_t id = arrivals[ends[i]].id;
    if (unk_id_ != id) {
      ids.push_back(id);
    } else {
      const bool run_goes_on = i > 0 && unk_id_ == arrivals[ends[i - 1]].id;
      if (run_goes_on) continue;
      append_unknown(text.substr(begin, ends[i] - begin), ids);
    }
    begin = ends[i];
  }
}

}  // namespace steadyflux::text
