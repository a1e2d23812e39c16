// Fuzzes T5's tokenizer. The first byte chooses: a tokenizer.json or a spiece.model to parse, with a config behind a
// zero byte, or a prompt for a fixed tokenizer.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "text/charsmap.h"
#include "text/t5_tokenizer.h"

namespace {

using namespace steadyflux;
using namespace steadyflux::text;

constexpr std::string_view kJson = R"({"normalizer":{"type":"Sequence","normalizers":[{"type":"Nmt"},{"type":"NFKC"},
    {"type":"Lowercase"},{"type":"NFD"},{"type":"StripAccents"},{"type":"Strip","strip_left":true,"strip_right":true},
    {"type":"Replace","pattern":{"Regex":" {2,}"},"content":"▁"}]},
    "pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"first"},
    "added_tokens":[{"id":0,"content":"<pad>","lstrip":true},{"id":1,"content":"</s>","normalized":true},
                    {"id":9,"content":"<w>","single_word":true,"rstrip":true,"normalized":false}],
    "model":{"type":"Unigram","unk_id":2,"byte_fallback":true,"vocab":[["<pad>",0],["</s>",0],["<unk>",0],["▁",-2],["▁a",-1],
    ["b",-1],["▁ab",-1.5],["a",-3],["<0x41>",-4]]}})";

void encode_prompt(std::string_view prompt) {
  static const T5Tokenizer by_class = T5Tokenizer::parse_json({kJson, "tokenizer.json"});
  static const T5Tokenizer by_file = T5Tokenizer::parse_json(
      {kJson, "tokenizer.json"}, {{R"({"pad_token":"<pad>"})", "config"}, {}, {}}, T5Rules::kOfFile);
  ensure(by_class.encode(prompt, 64).ids.size() == 64, "length of the ids");
  ensure(by_file.encode(prompt, 64).ids.size() == 64, "length of the ids");
}

void parse_files(std::string_view bytes, std::uint8_t kind) {
  constexpr std::string_view kPrompt = "a b</s> \u00e9\u0301 \uff21";
  if (kind == 1) {
    T5Tokenizer::parse_sentencepiece({bytes, "spiece.model"}).encode(kPrompt, 12);
  } else if (kind == 2) {
    Charsmap::parse(bytes, "charsmap").apply(kPrompt);
  } else {
    const std::string_view json = bytes.substr(0, bytes.find('\0'));
    const std::string_view config = bytes.substr(std::min(json.size() + 1, bytes.size()));
    const T5Rules rules = kind == 3 ? T5Rules::kOfClass : T5Rules::kOfFile;
    T5Tokenizer::parse_json({json, "tokenizer.json"}, {{config, "config"}, {}, {}}, rules).encode(kPrompt, 12);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::uint8_t kind = data[0] % 5;
  try {
    if (kind == 0) {
      encode_prompt(rest);
    } else {
      parse_files(rest, kind);
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInternal) throw;
  }
  return 0;
}
