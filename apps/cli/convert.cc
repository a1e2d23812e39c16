// steadyflux convert: weights stored in other types.
#include "pipeline/convert/convert.h"

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "commands.h"
#include "component_flags.h"
#include "io/file.h"
#include "pipeline/convert/components.h"
#include "pipeline/find_model.h"
#include "platform/interrupt.h"
#include "request_flags.h"

namespace steadyflux::cli {
namespace {

struct ConvertFlags {
  std::string model = "spark";
  convert::ConvertOptions options;
  std::filesystem::path report;
  bool quiet = false;
};

std::map<std::string, Component> components_by_name() {
  std::map<std::string, Component> components;
  for (const Component component : convert::kComponents) components.emplace(component_name(component), component);
  return components;
}

// One line of progress for each tenth.
class ProgressLines {
 public:
  explicit ProgressLines(bool quiet) : quiet_(quiet) {}

  void show(std::uint64_t done, std::uint64_t total) {
    const auto tenths = static_cast<int>(10 * (static_cast<double>(done) / static_cast<double>(total)));
    if (quiet_ || tenths <= tenths_) return;
    tenths_ = tenths;
    std::fprintf(stderr, "%d %% converted\n", 10 * tenths);
  }

 private:
  bool quiet_;
  int tenths_ = 0;
};

void check_report(const ConvertFlags& flags) {
  if (flags.report.empty()) return;
  std::error_code error;
  if (std::filesystem::weakly_canonical(flags.report, error) ==
      std::filesystem::weakly_canonical(flags.options.out, error)) {
    fail(ErrorCode::kInvalidArgument, "--out and --report are the same file, ", flags.report.string());
  }
  const AtomicFile writable(flags.report);
}

int run_convert(ConvertFlags& flags) {
  flags.options.model = find_model(flags.model);
  check_report(flags);
  const InterruptGuard interrupt;
  ProgressLines lines(flags.quiet);
  const convert::Report report = convert::convert(flags.options, [&](std::uint64_t done, std::uint64_t total) {
    lines.show(done, total);
    return !interrupt.interrupted();
  });
  if (report.cancelled) {
    std::cerr << "interrupted; nothing was written\n";
    return kInterrupted;
  }
  if (!flags.report.empty()) {
    AtomicFile file(flags.report);
    file.write(report.to_json());
    file.commit();
  }
  if (!flags.quiet) std::cerr << report.to_text();
  std::cout << flags.options.out.string() << '\n';
  return kDone;
}

}  // namespace

Command add_convert(CLI::App& program) {
  auto flags = std::make_shared<ConvertFlags>();
  convert::ConvertOptions& options = flags->options;
  const std::map<std::string, Component> components = components_by_name();
  CLI::App& app = *program.add_subcommand("convert", "Store a model's weights in another type");
  app.add_option("--model", flags->model, "Model directory, \"spark\", or the ID of a locally cached model")
      ->capture_default_str();
  add_component_flags(app,
                      [&options](Component component, const std::string& file) { options.replaced[component] = file; });
  app.add_option_function<std::string>(
         "--to", [&options](const std::string& text) { options.to = convert::parse_target(text); },
         "bf16, f16, f32: all weights; nf4, fp4 (bitsandbytes), i8, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k "
         "(GGUF): "
         "the linear layers of the blocks")
      ->required();
  app.add_option("--out", options.out, "New model directory; or a file *.gguf or *.safetensors for one component")
      ->required();
  app.add_option_function<std::vector<std::string>>(
      "--tensor-type",
      [&options](const std::vector<std::string>& rules) {
        for (const std::string& rule : rules) options.rules.push_back(convert::parse_type_rule(rule));
      },
      "PATTERN=TYPE: weights whose diffusers names match, for example '*.attn.to_v.weight=q8_0'; may be given several "
      "times, the last that matches holds");
  app.add_option_function<std::vector<std::string>>(
         "--component",
         [&options, components](const std::vector<std::string>& names) {
           for (const std::string& name : names) options.components.insert(components.at(name));
         },
         "What to convert: transformer, text_encoder_2 (both, if absent), text_encoder, vae; the rest stays as it is")
      ->delimiter(',')
      ->check(CLI::IsMember(components));
  app.add_option_function<std::string>(
      "--ram", [&options](const std::string& text) { options.ram_bytes = parse_fixed_budget("--ram", text); },
      "The most memory the process may hold, for example 500M");
  app.add_option("--threads", options.threads, "Worker threads; 0: one per processor")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--report", flags->report, "Write the errors of every tensor to this JSON file");
  app.add_flag("--quiet", flags->quiet, "No progress and no table of errors");
  return [flags] { return run_convert(*flags); };
}

}  // namespace steadyflux::cli
