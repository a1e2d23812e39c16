// steadyflux generate: prompts to PNG files.
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "commands.h"
#include "format/safetensors.h"
#include "io/file.h"
#include "io/png.h"
#include "output_pattern.h"
#include "progress.h"
#include "request_flags.h"

namespace steadyflux::cli {
namespace {

struct GenerateFlags {
  RequestFlags request;
  std::string out = "image-%s.png";
  std::filesystem::path latents_out;
  std::filesystem::path report;
  bool quiet = false;
};

// Writes each picture as soon as it is decoded.
class PictureWriter final : public Progress {
 public:
  PictureWriter(const OutputPattern& pattern, bool quiet) : Progress(quiet), pattern_(pattern) {}

  void on_image(const Image& image, int index, int) override {
    const std::filesystem::path path = pattern_.path(index, image.seed);
    const PngText text{"parameters", image.parameters};
    write_png(path, RgbView(image.width, image.height, image.rgb), {&text, 1});
    finish_line();
    std::cout << path.string() << std::endl;
    paths_.push_back(path.string());
  }

  // Of the pictures written, in the order of Result::images.
  const std::vector<std::string>& paths() const { return paths_; }

 private:
  const OutputPattern& pattern_;
  std::vector<std::string> paths_;
};

// Fails while there is nothing to lose rather than when the work is done.
void check_writable(const std::filesystem::path& path) {
  if (!path.empty()) const AtomicFile probe(path);
}

void write_latents(const std::filesystem::path& path, const std::vector<Image>& images) {
  std::vector<float> all;
  for (const Image& image : images) all.insert(all.end(), image.latents.begin(), image.latents.end());
  const auto num_images = static_cast<std::int64_t>(images.size());
  const std::int64_t tokens = images[0].latent_tokens;
  const auto channels = static_cast<std::int64_t>(images[0].latents.size()) / tokens;
  const TensorBytes tensor{{"latents", DType::kF32, {num_images, tokens, channels}}, std::as_bytes(std::span(all))};
  write_safetensors(path, {&tensor, 1});
}

// The library's report, and where each picture went.
void write_report(const std::filesystem::path& path, const Result& result, const std::vector<std::string>& pictures) {
  using Json = nlohmann::ordered_json;
  Json report = Json::parse(result.to_json());
  for (std::size_t i = 0; i < pictures.size(); ++i) report["images"][i]["path"] = pictures[i];
  const std::string text = report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

// What the model that ships with the source has been taught.
constexpr const char* kWorldOfSpark =
    "spark, the default model, draws one to three solid objects, in words such as \"a red cube on top of a blue\n"
    "cylinder, on grass at sunset\", \"two red glass spheres\" or \"a yellow cone left of a blue torus\":\n"
    "  objects    sphere, cube, cylinder, cone, torus, pyramid; small or large\n"
    "  colours    red, orange, yellow, green, cyan, blue, purple, pink, white, black\n"
    "  finishes   matte, shiny, metal, glass\n"
    "  relations  left of, right of, behind, in front of, on top of\n"
    "  grounds    wood, checkerboard, grass, sand, water, marble\n"
    "  light      noon, sunset, night, fog, studio\n"
    "Any other prompt gives a picture too, of something that it does know.";

int generate(const GenerateFlags& flags) {
  Request request = flags.request.request();
  request.keep_latents = !flags.latents_out.empty();
  request.keep_images = false;  // each is written when it is shown
  const bool several_prompts = request.prompts.size() > 1;
  const OutputPattern pattern(flags.out, several_prompts || request.count > 1, !several_prompts);
  pattern.check_writable();
  check_writable(flags.latents_out);
  check_writable(flags.report);
  Engine engine = flags.request.open_engine();
  PictureWriter writer(pattern, flags.quiet);
  const Result result = engine.generate(request, &writer);
  writer.finish_line();
  if (result.does_not_fit) {
    std::cerr << result.does_not_fit->to_text() << '\n';
    return kDoesNotFit;
  }
  if (result.shortage && !flags.request.engine_options().force) {
    std::cerr << result.shortage->to_text() << '\n';
    return kDoesNotFit;
  }
  if (!flags.report.empty()) write_report(flags.report, result, writer.paths());
  if (result.cancelled) {
    std::cerr << "interrupted\n";
    return kInterrupted;
  }
  if (!flags.latents_out.empty()) write_latents(flags.latents_out, result.images);
  return kDone;
}

}  // namespace

Command add_generate(CLI::App& program) {
  auto flags = std::make_shared<GenerateFlags>();
  CLI::App& app = *program.add_subcommand("generate", "Make pictures from prompts");
  flags->request.add_model_flags(app);
  flags->request.add_budget_flag(app);
  flags->request.add_device_flags(app);
  flags->request.add_prompt_flags(app);
  flags->request.add_cache_flag(app);
  flags->request.add_image_flags(app);
  app.add_option("--out", flags->out, "PNG file; %s is replaced by the seed, %i by the picture's number")
      ->capture_default_str();
  app.add_option("--latents-out", flags->latents_out, "Write the final packed latents to this safetensors file");
  app.add_option("--report", flags->report, "Write times, planned and actual memory to this JSON file");
  app.add_flag("--quiet", flags->quiet, "No progress on stderr");
  app.footer(kWorldOfSpark);
  return [flags] { return generate(*flags); };
}

}  // namespace steadyflux::cli
