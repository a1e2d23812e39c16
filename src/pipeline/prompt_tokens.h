// Prompts to token ids, with the model directory's own tokenizers.
#pragma once

#include <string>
#include <vector>

#include "pipeline/job.h"
#include "pipeline/phases.h"

namespace steadyflux {

// Of each of Job::to_encode.
struct TokenizedPrompts {
  std::vector<PromptTokens> tokens;
  std::vector<std::vector<std::string>> warnings;  // what truncation cut
};

// Loads the tokenizers, encodes what `job` has to encode, lets the tokenizers go and their memory with them. Throws
// Error: kNotFound for a missing tokenizer file, kInvalidFile for a broken one, kInvalidArgument for a prompt that is
// not UTF-8.
TokenizedPrompts tokenize_prompts(const OpenModel& model, const Job& job);

}  // namespace steadyflux
