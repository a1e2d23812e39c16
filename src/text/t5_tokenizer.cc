#include "text/t5_tokenizer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "text/json_text.h"
#include "text/sentencepiece_model.h"
#include "text/special_tokens.h"
#include "text/utf8.h"

namespace steadyflux::text {

// A tokenizer before it is put together; the pieces borrow from the file.
struct T5Parts {
  std::vector<Unigram::Piece> pieces = {};
  std::optional<std::int32_t> unk_id = {};
  bool byte_fallback = false;
  std::vector<NormalizerStep> normalizer = {};
  PreTokenizer pre_tokenizer = {};
  std::vector<AddedToken> added = {};
  std::string eos = {};  // appended to the prompt; empty when the frame says it all
  std::string pad = {};
  Frame frame = {};
};

namespace {

using nlohmann::json;

constexpr std::int32_t kClassUnkId = 2;
constexpr std::int32_t kMostExtraIds = 100'000;
constexpr std::string_view kWordMark = "\u2581";

// The defaults of the reference's class.
std::map<std::string, std::string> default_roles() {
  return {{"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "<pad>"}};
}

std::vector<std::string> extra_id_tokens(const CompanionFiles& companions) {
  const json config = parse_optional_json_object(companions.tokenizer_config);
  const json* setting = find_member(config, "extra_ids");
  const std::int32_t count =
      setting == nullptr ? 100 : require_id(*setting, "\"extra_ids\"", companions.tokenizer_config.name);
  if (count > kMostExtraIds) {
    fail(ErrorCode::kInvalidFile, companions.tokenizer_config.name, ": \"extra_ids\" is ", count, "; expected at most ",
         kMostExtraIds);
  }
  std::vector<std::string> tokens;
  for (std::int32_t i = 0; i < count; ++i) {
    std::string& token = tokens.emplace_back("<extra_id_");
    token.append(std::to_string(i)).append(">");
  }
  return tokens;
}

Unigram::Piece parse_piece(const json& entry, std::size_t index, std::string_view file) {
  if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number()) {
    fail(ErrorCode::kInvalidFile, file, ": piece ", index, " of the vocabulary is malformed; expected [text, score]");
  }
  const double score = entry[1].get<double>();
  if (!std::isfinite(score)) fail(ErrorCode::kInvalidFile, file, ": the score of piece ", index, " is not finite");
  return {entry[0].get_ref<const std::string&>(), score};
}

std::vector<Unigram::Piece> parse_pieces(const json& model, std::string_view file) {
  // Old files leave the type out.
  if (const auto type = optional_string(model, "type", file); type.value_or("Unigram") != "Unigram") {
    fail(ErrorCode::kUnsupported, file, ": the model is \"", *type, "\"; T5's tokenizer expects \"Unigram\"");
  }
  const json& vocabulary = require_member(model, "vocab", file);
  if (!vocabulary.is_array() || vocabulary.empty()) {
    fail(ErrorCode::kInvalidFile, file, ": the vocabulary is not a list of pieces with their scores");
  }
  std::vector<Unigram::Piece> pieces;
  pieces.reserve(vocabulary.size());
  for (const json& entry : vocabulary) pieces.push_back(parse_piece(entry, pieces.size(), file));
  return pieces;
}

void require_unk_id(std::int32_t unk_id, std::size_t num_pieces, std::string_view file) {
  if (static_cast<std::size_t>(unk_id) >= num_pieces) {
    fail(ErrorCode::kInvalidFile, file, ": the unknown piece is ", unk_id, ", but the vocabulary has ", num_pieces,
         " pieces");
  }
}

// The ids that a TemplateProcessing puts before and after a prompt.
Frame parse_template(const json& processor, std::string_view file) {
  Frame frame;
  if (processor.is_null()) return frame;
  if (const std::string type = require_string(processor, "type", file); type != "TemplateProcessing") {
    fail(ErrorCode::kUnsupported, file, ": the post-processor \"", type,
         "\" is not supported; expected TemplateProcessing");
  }
  const json& special_tokens = require_member(processor, "special_tokens", file);
  bool has_prompt = false;
  for (const json& item : require_member(processor, "single", file)) {
    const json* special = find_member(item, "SpecialToken");
    if (special == nullptr) {
      require_member(item, "Sequence", file);
      if (has_prompt) fail(ErrorCode::kUnsupported, file, ": the post-processor repeats the prompt");
      has_prompt = true;
      continue;
    }
    const std::string name = require_string(*special, "id", file);
    std::vector<std::int32_t>& side = has_prompt ? frame.suffix : frame.prefix;
    for (const json& id : require_member(require_member(special_tokens, name.c_str(), file), "ids", file)) {
      side.push_back(require_id(id, "an id of the post-processor", file));
    }
  }
  if (!has_prompt) fail(ErrorCode::kInvalidFile, file, ": the post-processor leaves the prompt out");
  return frame;
}

json member_or_null(const json& object, const char* key) {
  const json* member = find_member(object, key);
  return member != nullptr ? *member : json();
}

// What the reference's class builds around a vocabulary and a character map.
T5Parts class_parts(std::vector<Unigram::Piece> pieces, std::string_view charsmap, const SpecialTokens& special,
                    std::string_view file) {
  require_unk_id(kClassUnkId, pieces.size(), file);
  T5Parts parts{.pieces = std::move(pieces),
                .unk_id = kClassUnkId,
                .pre_tokenizer = PreTokenizer::t5(),
                .added = special.tokens,
                .eos = std::string(special.role("eos_token")),
                .pad = std::string(special.role("pad_token"))};
  if (!charsmap.empty()) parts.normalizer.push_back(charsmap_step(Charsmap::parse(charsmap, file)));
  return parts;
}

T5Parts parts_of_file(const json& object, const CompanionFiles& companions, std::string_view file) {
  const json& model = require_member(object, "model", file);
  T5Parts parts{.pieces = parse_pieces(model, file),
                .byte_fallback = optional_bool(model, "byte_fallback", false, file),
                .normalizer = parse_normalizer(member_or_null(object, "normalizer"), file),
                .pre_tokenizer = PreTokenizer::parse(member_or_null(object, "pre_tokenizer"), file),
                .added = read_added_tokens(object, file),
                .frame = parse_template(member_or_null(object, "post_processor"), file)};
  if (const json* unk_id = find_member(model, "unk_id")) {
    parts.unk_id = require_id(*unk_id, "\"unk_id\"", file);
    require_unk_id(*parts.unk_id, parts.pieces.size(), file);
  }
  const SpecialTokens special = read_special_tokens(companions, object, file, {}, {});
  std::set<std::string> present;
  for (const AddedToken& token : parts.added) present.insert(token.content);
  std::ranges::copy_if(special.tokens, std::back_inserter(parts.added),
                       [&](const AddedToken& token) { return !present.contains(token.content); });
  parts.pad = special.role("pad_token");
  const json* padding = find_member(object, "padding");
  if (parts.pad.empty() && padding != nullptr) parts.pad = require_string(*padding, "pad_token", file);
  if (parts.pad.empty()) {
    fail(ErrorCode::kInvalidFile, file, ": no padding token; expected \"pad_token\" in tokenizer_config.json");
  }
  return parts;
}

}  // namespace

T5Rules t5_rules_of(std::string_view class_name) {
  if (class_name == "T5Tokenizer" || class_name == "T5TokenizerFast") return T5Rules::kOfClass;
  if (class_name == "PreTrainedTokenizerFast" || class_name == "TokenizersBackend") return T5Rules::kOfFile;
  fail(ErrorCode::kUnsupported, "the tokenizer class \"", class_name,
       "\" is not supported for T5; expected T5Tokenizer, T5TokenizerFast, PreTrainedTokenizerFast or "
       "TokenizersBackend");
}

T5Tokenizer T5Tokenizer::parse_json(const SourceText& tokenizer_json, const CompanionFiles& companions, T5Rules rules) {
  const json object = parse_json_object(tokenizer_json);
  const std::string_view file = tokenizer_json.name;
  if (rules == T5Rules::kOfFile) return T5Tokenizer(parts_of_file(object, companions, file));
  const SpecialTokens special =
      read_special_tokens(companions, object, file, default_roles(), extra_id_tokens(companions));
  return T5Tokenizer(class_parts(parse_pieces(require_member(object, "model", file), file),
                                 find_charsmap(member_or_null(object, "normalizer"), file), special, file));
}

T5Tokenizer T5Tokenizer::parse_sentencepiece(const SourceText& source, const CompanionFiles& companions) {
  const SentencePieceModel model = parse_sentencepiece_model(source);
  const std::vector<std::string> extra_ids = extra_id_tokens(companions);
  std::vector<Unigram::Piece> pieces;
  std::vector<std::string> extras;
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    using enum SentencePieceModel::Type;
    pieces.push_back({piece.text, piece.score});
    if (piece.type == kControl || piece.type == kUserDefined) extras.emplace_back(piece.text);
  }
  // The class numbers <extra_id_N> downwards behind the pieces.
  for (std::size_t i = extra_ids.size(); i-- > 0;) pieces.push_back({extra_ids[i], 0.0});
  extras.insert(extras.end(), extra_ids.begin(), extra_ids.end());
  const SpecialTokens special = read_special_tokens(companions, nullptr, {}, default_roles(), extras);
  return T5Tokenizer(class_parts(std::move(pieces), model.charsmap, special, source.name));
}

T5Tokenizer::T5Tokenizer(T5Parts parts)
    : model_(parts.pieces, parts.unk_id, parts.byte_fallback),
      normalizer_(std::move(parts.normalizer)),
      pre_tokenizer_(std::move(parts.pre_tokenizer)),
      added_(
          std::move(parts.added), model_.size(), [&](std::string_view content) { return model_.find(content); },
          [&](std::string_view content) { return normalize(content, normalizer_); }),
      frame_(std::move(parts.frame)) {
  std::vector<TokenTexts::Entry> entries;
  for (const Unigram::Piece& piece : parts.pieces)
    entries.push_back({static_cast<std::int32_t>(entries.size()), piece.text});
  texts_ = TokenTexts(std::move(entries));
  frame_.pad_id = added_.find(parts.pad);
  if (!parts.eos.empty()) frame_.suffix.push_back(added_.find(parts.eos));
}

TokenIds T5Tokenizer::encode(std::string_view utf8, int max_length) const {
  require_utf8_prompt(utf8);
  std::vector<std::int32_t> ids;
  added_.split(
      utf8, [&](std::string_view text) { return normalize(text, normalizer_); },
      [&](std::int32_t id) { ids.push_back(id); },
      [&](std::string_view text, bool starts_at_origin) {
        for (const std::string& piece : pre_tokenizer_.split(text, starts_at_origin)) model_.encode(piece, ids);
      });
  return put_in_frame(frame_, ids, max_length, [&](std::span<const std::int32_t> cut) { return decode(cut); });
}

std::string T5Tokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string text;
  for (const std::int32_t id : ids) {
    const std::string_view added = added_.text(id);
    text += added.empty() ? texts_.text(id) : added;
  }
  for (std::size_t at = text.find(kWordMark); at != std::string::npos; at = text.find(kWordMark, at)) {
    text.replace(at, kWordMark.size(), " ");
  }
  return trim(text);
}

int T5Tokenizer::vocab_size() const { return std::max(model_.size(), added_.end_id()); }

}  // namespace steadyflux::text
