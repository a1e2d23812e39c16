// How a normalized text is cut into the pieces that a model sees: the "pre_tokenizer" of a tokenizer.json, and CLIP's.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace steadyflux::text {

// Cuts at white space, which is dropped, and marks the beginnings of words with a character (U+2581). The parts of the
// reference's pre-tokenizers WhitespaceSplit and Metaspace. Immutable, so it may be shared by threads.
class PreTokenizer {
 public:
  // WhitespaceSplit, then Metaspace with prepend scheme "always": T5's.
  static PreTokenizer t5();

  // From a tokenizer.json; null cuts nothing. Known: WhitespaceSplit, Metaspace and Sequence.
  // Throws Error(kUnsupported) that names any other type, Error(kInvalidFile) for a malformed one.
  static PreTokenizer parse(const nlohmann::json& pre_tokenizer, std::string_view file);

  // The pieces of `text`. `starts_at_origin`: whether the text stands at the very start of the prompt.
  std::vector<std::string> split(std::string_view text, bool starts_at_origin) const;

 private:
  enum class Prepend { kNever, kFirst, kAlways };
  struct Step {
    bool is_metaspace = false;  // else a white-space split
    std::string replacement;
    Prepend prepend = Prepend::kAlways;
    bool cuts = true;
  };
  struct Piece {
    std::string text;
    bool starts_at_origin;
  };

  static Step parse_metaspace(const nlohmann::json& step, std::string_view file);
  static void split_whitespace(Piece piece, std::vector<Piece>& pieces);
  static void split_metaspace(const Step& step, Piece piece, std::vector<Piece>& pieces);
  void append_steps(const nlohmann::json& step, std::string_view file, int depth);

  std::vector<Step> steps_;
};

// CLIP's words of a normalized text: the literals <|startoftext|> and <|endoftext|> in three parts each, the English
// endings 's 't 're 've 'm 'll 'd, runs of letters, single digits, runs of anything else but white space.
// The views borrow from `text`.
std::vector<std::string_view> split_clip_words(std::string_view text);

}  // namespace steadyflux::text
