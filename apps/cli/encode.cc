// steadyflux encode: prompts to embeddings that generate --embeds takes.
#include <filesystem>
#include <iostream>
#include <memory>

#include "base/error.h"
#include "commands.h"
#include "io/file.h"
#include "request_flags.h"

namespace steadyflux::cli {
namespace {

struct EncodeFlags {
  RequestFlags request;
  std::filesystem::path out;
};

void check_effect(const EngineOptions& options) {
  if (options.compute == ComputeDType::kInt8) {
    fail(ErrorCode::kInvalidArgument, "int8 has no effect on encoders, which compute in the model's type");
  }
  if (!options.vae.empty()) fail(ErrorCode::kInvalidArgument, "--vae has no effect on what prompts are encoded to");
}

int encode(const EncodeFlags& flags) {
  check_effect(flags.request.engine_options());
  { const AtomicFile writable(flags.out); }
  Engine engine = Engine::open(flags.request.engine_options());
  const Embeddings embeddings = engine.encode(flags.request.request());
  for (const std::string& warning : embeddings.warnings) std::cerr << "warning: " << warning << '\n';
  embeddings.save(flags.out);
  std::cout << flags.out.string() << '\n';
  return kDone;
}

}  // namespace

Command add_encode(CLI::App& program) {
  auto flags = std::make_shared<EncodeFlags>();
  CLI::App& app = *program.add_subcommand("encode", "Write a prompt's embeddings to a file");
  flags->request.add_model_flags(app);
  flags->request.add_budget_flag(app);
  flags->request.add_device_flags(app);
  flags->request.add_prompt_flags(app);
  flags->request.add_cache_flag(app);
  app.add_option("--out", flags->out, "The safetensors file to write")->required();
  return [flags] { return encode(*flags); };
}

}  // namespace steadyflux::cli
