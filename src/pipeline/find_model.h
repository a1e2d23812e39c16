// From what a user calls a model to the directory it is in.
#pragma once

#include <filesystem>
#include <string>

namespace steadyflux {

// `model` is a directory; or "spark", the model that ships with the source, looked for beside the program, in its
// installed share/ directory and in the source tree around it; or an ID such as "org/name", looked for in the local
// Hugging Face cache ($HF_HUB_CACHE, $HF_HOME/hub or ~/.cache/huggingface/hub), its "main" revision.
// Nothing is ever downloaded. Throws Error(kNotFound) that lists where it looked.
std::filesystem::path find_model(const std::string& model);

}  // namespace steadyflux
