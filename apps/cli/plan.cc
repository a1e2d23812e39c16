// steadyflux plan: what a request would hold and read, without reading a weight.
#include <iostream>
#include <memory>

#include "commands.h"
#include "request_flags.h"

namespace steadyflux::cli {
namespace {

struct PlanFlags {
  RequestFlags request;
  bool json = false;
};

int plan(const PlanFlags& flags) {
  Request request = flags.request.request();
  if (request.prompts.empty() && request.embeds.empty()) request.prompts.emplace_back();
  Engine engine = flags.request.open_engine();
  const Plan result = engine.plan(request);
  std::cout << (flags.json ? result.to_json() : result.to_table());
  if (!result.does_not_fit) return kDone;
  std::cerr << result.does_not_fit->to_text() << '\n';
  return kDoesNotFit;
}

}  // namespace

Command add_plan(CLI::App& program) {
  auto flags = std::make_shared<PlanFlags>();
  CLI::App& app = *program.add_subcommand("plan", "Show the memory a request needs, phase by phase");
  flags->request.add_model_flags(app);
  flags->request.add_budget_flag(app);
  flags->request.add_device_flags(app);
  flags->request.add_prompt_flags(app);
  flags->request.add_cache_flag(app);
  flags->request.add_image_flags(app);
  app.add_flag("--json", flags->json, "As JSON");
  return [flags] { return plan(*flags); };
}

}  // namespace steadyflux::cli
