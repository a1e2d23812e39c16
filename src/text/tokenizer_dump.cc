// Prints the token ids of a list of strings, one line each: what tools/reference/tokenizer_parity.py compares.
//
// tokenizer_dump clip|clip-json|t5|t5-file|t5-spiece DIR STRINGS.json MAX_LENGTH
// STRINGS.json is a list of strings. A line is a JSON object with the fields of TokenIds, or {"error": …}.
#include <chrono>
#include <fstream>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <span>
#include <sstream>

#include "base/error.h"
#include "text/clip_tokenizer.h"
#include "text/t5_tokenizer.h"

namespace {

using namespace steadyflux;
using namespace steadyflux::text;

using Encode = std::function<TokenIds(std::string_view, int)>;

// The content of a file, empty when there is none.
std::string read_file(const std::string& path) {
  std::ostringstream content;
  if (std::ifstream file(path, std::ios::binary); file) content << file.rdbuf();
  return content.str();
}

Encode open_tokenizer(const std::string& kind, const std::string& directory) {
  const auto read = [&](const std::string& name) { return read_file(directory + "/" + name); };
  const std::string config = read("tokenizer_config.json");
  const std::string map = read("special_tokens_map.json");
  const std::string added = read("added_tokens.json");
  const CompanionFiles companions{
      {config, "tokenizer_config.json"}, {map, "special_tokens_map.json"}, {added, "added_tokens.json"}};
  const auto encoder = [](auto tokenizer) -> Encode {
    return [tokenizer](std::string_view text, int max_length) { return tokenizer.encode(text, max_length); };
  };
  if (kind == "clip") {
    return encoder(
        ClipTokenizer::parse({read("vocab.json"), "vocab.json"}, {read("merges.txt"), "merges.txt"}, companions));
  }
  if (kind == "t5-spiece") {
    return encoder(T5Tokenizer::parse_sentencepiece({read("spiece.model"), "spiece.model"}, companions));
  }
  const std::string json = read("tokenizer.json");
  const SourceText source{json, "tokenizer.json"};
  if (kind == "clip-json") return encoder(ClipTokenizer::parse_json(source, companions));
  if (kind == "t5") return encoder(T5Tokenizer::parse_json(source, companions));
  if (kind == "t5-file") return encoder(T5Tokenizer::parse_json(source, companions, T5Rules::kOfFile));
  fail(ErrorCode::kInvalidArgument, "unknown kind \"", kind, "\"");
}

nlohmann::json dump(const Encode& encode, const std::string& text, int max_length) {
  try {
    const TokenIds tokens = encode(text, max_length);
    return {{"ids", tokens.ids}, {"num_tokens", tokens.num_tokens}, {"cut", tokens.cut}};
  } catch (const Error& error) {
    return {{"error", error.what()}};
  }
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void run(const std::string& kind, const std::string& directory, const std::string& strings_file, int max_length) {
  const auto strings = nlohmann::json::parse(read_file(strings_file));
  auto start = std::chrono::steady_clock::now();
  const Encode encode = open_tokenizer(kind, directory);
  std::cerr << "loaded in " << seconds_since(start) * 1e3 << " ms\n";
  start = std::chrono::steady_clock::now();
  for (const auto& text : strings) std::cout << dump(encode, text.get<std::string>(), max_length).dump() << '\n';
  std::cerr << "encoded and printed in " << seconds_since(start) * 1e3 << " ms, " << strings.size() << " strings\n";
}

}  // namespace

int main(int argc, char** argv) {
  const std::span args(argv, static_cast<std::size_t>(argc));
  try {
    if (args.size() != 5) fail(ErrorCode::kInvalidArgument, "usage: tokenizer_dump KIND DIR STRINGS.json MAX_LENGTH");
    run(args[1], args[2], args[3], std::stoi(args[4]));
  } catch (const std::exception& error) {
    std::cerr << "tokenizer_dump: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
