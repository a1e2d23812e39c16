// Fuzzes CLIP's tokenizer. The first byte chooses: files to parse, parted by zero bytes, or a prompt for a fixed
// tokenizer.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "text/clip_tokenizer.h"

namespace {

using namespace steadyflux;
using namespace steadyflux::text;

constexpr std::string_view kVocabulary =
    R"({"a":0,"b":1,"a</w>":2,"b</w>":3,"ab</w>":4,"ab":5,"é":6,"<|startoftext|>":7,"<|endoftext|>":8})";
constexpr std::string_view kMerges = "#version: 0.2\na b</w>\na b\n";
constexpr std::string_view kConfig =
    R"({"added_tokens_decoder":{"7":{"content":"<|startoftext|>","normalized":true,"lstrip":true},
        "8":{"content":"<|endoftext|>","rstrip":true,"single_word":true,"normalized":false}}})";

void encode_prompt(std::string_view prompt) {
  static const ClipTokenizer tokenizer =
      ClipTokenizer::parse({kVocabulary, "vocab.json"}, {kMerges, "merges.txt"}, {{kConfig, "config"}, {}, {}});
  ensure(tokenizer.encode(prompt, 77).ids.size() == 77, "length of the ids");
}

void parse_files(std::string_view bytes, bool from_json) {
  std::array<std::string_view, 5> parts{};
  for (std::string_view& part : parts) {
    part = bytes.substr(0, bytes.find('\0'));
    bytes.remove_prefix(std::min(part.size() + 1, bytes.size()));
  }
  const CompanionFiles companions{{parts[2], "config"}, {parts[3], "map"}, {parts[4], "added"}};
  const ClipTokenizer tokenizer =
      from_json ? ClipTokenizer::parse_json({parts[0], "tokenizer.json"}, companions)
                : ClipTokenizer::parse({parts[0], "vocab.json"}, {parts[1], "merges.txt"}, companions);
  tokenizer.encode("a b <|endoftext|> \u00e9", 12);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    if (data[0] % 3 == 0) {
      encode_prompt(rest);
    } else {
      parse_files(rest, data[0] % 3 == 1);
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInternal) throw;
  }
  return 0;
}
