// Steadyflux: FLUX.1 text-to-image generation inside a known amount of memory.
//
//   steadyflux::Engine engine = steadyflux::Engine::open({.model = "spark"});
//   steadyflux::Result result = engine.generate({.prompts = {"a red cube on a blue cylinder"}});
//   // result.images[0].rgb: width * height * 3 bytes
//
// Failures are steadyflux::Error (error.h). Expected answers are values: a cancelled run is a Result.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "steadyflux/error.h"

namespace steadyflux {

// The dtype a model is run as: that of its timestep chain and, unless told otherwise, of noise and activations.
// kAuto: bf16 if most of the transformer's weights are, or are quantised; otherwise f32.
enum class ModelDType { kAuto, kF32, kBF16 };

// Element type of activations between operations. Residual streams, latents and all sums are f32 in either.
enum class ComputeDType {
  kAuto,  // the model's dtype
  kF32,
  kBF16,
  kInt8,  // experimental: the model's dtype, but the transformer's blocks multiply with weights in integers of 8 bits
};

// Element type in which the initial noise is drawn.
enum class NoiseDType { kAuto, kF32, kBF16 };  // kAuto: the model's dtype, as the reference pipeline does

// How latents become pixels. Whole and in bands they are the same pixels; in tiles they are not.
enum class DecodeChoice {
  kAuto,    // whole, or in bands where that does not fit or takes longer; never in tiles
  kWhole,   // every layer of the decoder whole
  kBanded,  // in bands of rows, with as much computed again as the budget asks for
  kTiled,   // in tiles that overlap by a quarter and are blended, as the reference's tiling does
};

// A budget of what there is, less a reserve for others. Of the machine's memory, or that of the control group or job
// that confines the process, it leaves max(1 GiB, 10 %); of a discrete device's max(512 MiB, 5 %); at most half of
// either. What is free at the moment does not count.
inline constexpr std::uint64_t kAutoBudget = ~std::uint64_t{0};

// A graphics card played by the processor, with memory of its own and slow copies: for tests and for trying plans.
struct SimulatedDevice {
  std::uint64_t memory_bytes = std::uint64_t{8} << 30;
  double copy_bytes_per_second = 0;  // 0: as fast as the host copies
  double copy_latency_seconds = 0;   // before each copy
};

struct EngineOptions {
  std::string model = "spark";  // a directory in the diffusers layout, "spark", or the ID of a locally cached model
  // Single files whose weights are taken in place of those of the model's components: safetensors or GGUF, with the
  // names of diffusers, transformers, BFL, ComfyUI or GGUF. The transformer's configuration is then what they show; the
  // others have that of the model. Empty: the model's own.
  std::filesystem::path transformer = {};
  std::filesystem::path text_encoder = {};    // CLIP
  std::filesystem::path text_encoder_2 = {};  // T5
  std::filesystem::path vae = {};
  int threads = 0;  // worker threads; 0: one per processor
  ModelDType dtype = ModelDType::kAuto;
  ComputeDType compute = ComputeDType::kAuto;
  // The most the whole process may hold; 0: no budget, all weights of a phase in memory; or kAutoBudget.
  std::uint64_t ram_bytes = 0;
  // "auto": the first NVIDIA card that this build can use, else the processor; "cpu": the processor; "cuda" or
  // "cuda:N": an NVIDIA card, the first or number N as CUDA counts them, in builds that have the backend; "simulated":
  // see SimulatedDevice.
  std::string device = "auto";
  // The most of a discrete device's memory that may be held; 0: all it has; or kAutoBudget.
  std::uint64_t vram_bytes = 0;
  SimulatedDevice simulated_device = {};  // of the device "simulated"
  bool force = false;  // run, with a warning, even when the system cannot give now what the plan takes
  // Rates that `steadyflux doctor --save` measured, for predicted seconds alone: nothing else depends on them. Without
  // the file, or where it is of another number of threads, shipped defaults predict.
  std::filesystem::path rates = {};
  std::filesystem::path prompt_cache = {};  // directory that keeps what was computed for prompts; empty: none
  std::uint64_t prompt_cache_bytes = std::uint64_t{2} << 30;  // the most it holds; least recently used goes first
  std::filesystem::path system_root = "/";  // where proc/ and sys/ are, for tests that make up a machine
  bool reference_backend = false;           // compute with the naive f32 oracle: for tests, very slow
};

struct ImageSize {
  int width = 0;   // pixels
  int height = 0;  // pixels

  friend bool operator==(const ImageSize&, const ImageSize&) = default;
};

// The sizes that FLUX is usually asked for with neither side above that of `max`, from the fewest pixels to the most.
std::vector<ImageSize> usual_sizes(const ImageSize& max);

// What to make. An absent optional takes the model's default.
struct Request {
  std::vector<std::string> prompts;        // one or more; each gives `count` images
  std::optional<std::string> prompt_2;     // for the T5 encoder, instead of the prompt
  std::optional<std::string> negative;     // needs true_cfg > 1
  std::optional<std::string> negative_2;   // for the T5 encoder, instead of the negative prompt
  double true_cfg = 1;                     // classifier-free guidance by a second pass; 1: off; needs negative
  std::optional<int> width;                // pixels, a multiple of 16
  std::optional<int> height;               // pixels, a multiple of 16
  bool auto_size = false;                  // the largest of usual_sizes() that fits, in place of width and height
  std::optional<ImageSize> max_size;       // bounds auto_size; absent: the model's own size
  std::optional<int> steps;                // denoising steps, 1 or more
  std::vector<double> sigmas;              // own noise levels in (0, 1], decreasing; sets the number of steps
  std::optional<double> guidance;          // distilled guidance; an error for models without it
  std::optional<std::uint64_t> seed;       // image i of a prompt has seed + i; absent: random, see Image::seed
  int count = 1;                           // images per prompt
  std::optional<int> max_sequence_length;  // tokens of the T5 prompt, padded to exactly this many
  NoiseDType noise = NoiseDType::kAuto;
  DecodeChoice decode = DecodeChoice::kAuto;
  std::optional<int> tile_size;   // pixels a side of a tile, a multiple of 32; needs decode kTiled, 512 if absent
  std::filesystem::path latents;  // starting latents, "latents" [images, tokens, channels] f32, packed
  std::filesystem::path embeds;   // prompt embeddings from encode(); prompts must be empty then
  bool keep_latents = false;      // give the final packed latents in the Result
  bool keep_images = true;        // false: pictures go to Observer::on_image alone, so that a long batch holds only one
};

// Where the weights of one group are while its stage runs.
struct GroupReport {
  std::string name;  // of the checkpoint: "transformer_blocks.0"
  std::uint64_t bytes = 0;
  // "resident": in memory all the time; "streamed": read again on every pass; "staged": in host memory, copied to a
  // discrete device on every pass
  std::string residency;
};

// Weights that a phase goes through together.
struct StageReport {
  std::uint64_t passes = 0;           // over all its groups
  std::uint64_t pass_read_bytes = 0;  // from disk, on every pass
  std::uint64_t resident_bytes = 0;
  std::uint64_t slots = 0;  // that groups take turns in
  std::uint64_t slot_bytes = 0;
  std::uint64_t staged_bytes = 0;   // groups in host memory
  std::uint64_t staging_bytes = 0;  // host memory that a discrete device's weights pass through
  std::uint64_t arena_bytes = 0;    // activations and scratch
  std::uint64_t carried_bytes = 0;  // what passes between phases, and results
  std::vector<GroupReport> groups;
};

// The operations of one class that a phase ran.
struct OperationReport {
  std::string name;  // "linear", "attention", "convolution", "norm", "elementwise"
  std::int64_t calls = 0;
  double seconds = 0;
  double flops = 0;  // floating-point operations, a multiply-add counting two
};

// One phase of a plan or of a run. Bytes are what the process holds at the phase's peak.
struct PhaseReport {
  std::string name;                             // "encode", "modulate", "denoise", "decode"
  std::string decode;                           // planned, of decode: "whole", "banded 256M", "tiled 512"
  int window = 1;                               // planned: prompts or images that share a pass over the weights
  std::uint64_t weights_bytes = 0;              // planned: weights in memory
  std::uint64_t activations_bytes = 0;          // planned: activations, and what passes from phase to phase
  std::uint64_t scratch_bytes = 0;              // planned: working memory of single operations
  std::uint64_t overhead_bytes = 0;             // planned: the program itself
  std::uint64_t planned_peak_bytes = 0;         // planned: sum of the above
  std::uint64_t planned_device_peak_bytes = 0;  // planned: of a discrete device's memory, in none of the above
  std::uint64_t read_bytes = 0;                 // planned: from disk
  double flops = 0;                             // planned
  double predicted_seconds = 0;                 // planned
  std::vector<StageReport> stages;              // planned
  std::uint64_t actual_peak_bytes = 0;          // measured process bytes; 0 in a plan
  std::uint64_t actual_device_peak_bytes = 0;   // measured of a discrete device's memory; 0 in a plan
  std::uint64_t end_bytes = 0;                  // measured process bytes at the phase's end, its memory still held
  double seconds = 0;                           // measured; 0 in a plan
  std::uint64_t actual_read_bytes = 0;          // measured, from weight files: whole blocks of 4 KiB
  std::uint64_t major_faults = 0;               // measured
  std::uint64_t swap_in_bytes = 0;              // measured, of the whole machine
  std::uint64_t swap_out_bytes = 0;             // measured, of the whole machine
  double memory_stall_seconds = 0;  // measured: some program waited for memory; 0 where the system does not tell
  std::vector<OperationReport> operations;  // measured; empty where the device does not time its work
};

// Why a request does not fit its budget, and what would.
struct DoesNotFit {
  std::string phase;                    // the first that needs too much
  std::uint64_t needed_bytes = 0;       // the smallest budget that this request fits
  std::uint64_t budget_bytes = 0;       // what was given; 0: no limit
  std::uint64_t needed_vram_bytes = 0;  // the same of a discrete device's memory
  std::uint64_t vram_bytes = 0;
  std::vector<std::string> suggestions;  // changes, each of which makes it fit

  bool is_ram_short() const { return budget_bytes > 0 && needed_bytes > budget_bytes; }
  bool is_vram_short() const { return needed_vram_bytes > vram_bytes; }
  std::string to_text() const;  // for people
};

// A plan within its budget that the system cannot carry out now. Swap is not memory.
struct MemoryShortage {
  std::uint64_t planned_bytes = 0;       // the plan's peak
  std::uint64_t needed_bytes = 0;        // of it, what the process does not hold yet
  std::uint64_t available_bytes = 0;     // what the machine or control group can give now without swapping
  std::vector<std::string> suggestions;  // what to do, each by itself

  std::string to_text() const;  // for people
};

struct Plan {
  std::optional<MemoryShortage> shortage;  // of the moment: all else in a plan is the same on every run
  std::optional<DoesNotFit> does_not_fit;  // the phases are then what they would need with everything in memory
  std::vector<PhaseReport> phases;
  std::uint64_t peak_bytes = 0;
  std::uint64_t device_peak_bytes = 0;  // of a discrete device's memory
  std::uint64_t budget_bytes = 0;       // 0: none
  double predicted_seconds = 0;
  bool rates_measured = false;  // the seconds rest on this machine's own rates, not on the shipped ones
  int width = 0;
  int height = 0;
  int steps = 0;

  std::string to_table() const;  // for people
  std::string to_json() const;
};

struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;  // [height, width, 3]
  std::string prompt;
  std::uint64_t seed = 0;
  std::string parameters;      // one text for image files, in the form other tools read back
  std::vector<float> latents;  // [latent_tokens, channels] packed, if Request::keep_latents
  int latent_tokens = 0;
};

struct StepTime {
  int step = 0;
  double seconds = 0;
};

struct Result {
  bool cancelled = false;
  std::optional<DoesNotFit> does_not_fit;  // nothing was done then
  std::optional<MemoryShortage> shortage;  // nothing was done then, unless forced
  std::vector<Image> images;               // prompt by prompt, seed by seed; those finished, when cancelled
  std::vector<PhaseReport> phases;
  std::vector<StepTime> steps;
  std::vector<std::string> warnings;  // truncated prompts, a system short of memory and the like
  int kept_embeddings = 0;            // prompts (negative ones too) that the prompt cache knew: not encoded
  int kept_modulations = 0;           // of these, how many were not modulated either
  std::string to_json() const;        // the report: everything but pixels and latents
};

// Prompt embeddings of one prompt (and its negative), as the model consumes them.
struct Embeddings {
  int tokens = 0;
  int width = 0;
  int pooled_width = 0;
  std::vector<float> prompt_embeds;           // [tokens, width]
  std::vector<float> pooled_prompt_embeds;    // [pooled_width]
  std::vector<float> negative_prompt_embeds;  // the same, or empty
  std::vector<float> negative_pooled_prompt_embeds;
  std::vector<std::string> warnings;

  // safetensors with prompt_embeds [1, tokens, width] and pooled_prompt_embeds [1, pooled_width] (negative_… too).
  void save(const std::filesystem::path& path) const;
};

// What the process holds, and how the system does. Process bytes are anonymous and shared memory.
struct MemoryUse {
  std::uint64_t current_bytes = 0;       // process bytes now
  std::uint64_t peak_bytes = 0;          // the most seen since the engine was opened or reset_peak() called
  std::uint64_t planned_bytes = 0;       // planned peak of the phase that runs; 0 when none does
  std::uint64_t process_swap_bytes = 0;  // of the process, in swap
  std::uint64_t available_bytes = 0;     // what the machine or control group can give without swapping
  std::uint64_t swap_in_bytes = 0;       // of the whole machine, since the request began (or the machine)
  std::uint64_t swap_out_bytes = 0;      // likewise
  std::uint64_t major_faults = 0;        // of the process, likewise
  double memory_stall_share = 0;         // of the last seconds in which some program waited for memory
};

// Called by the thread that runs the request, between pieces of work.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_plan(const Plan&) {}
  virtual void on_phase(std::string_view /*phase*/) {}
  // After step `step` (1 … steps), counted through all windows of images. `process_bytes` is what the process holds
  // now.
  virtual void on_step(int /*step*/, int /*steps*/, double /*seconds*/, std::uint64_t /*process_bytes*/) {}
  // An image is ready; it is also in the Result.
  virtual void on_image(const Image&, int /*index*/, int /*total*/) {}
  // A few times a second, between groups of weights.
  virtual void on_memory(const MemoryUse&) {}
  // A warning about memory comes while the request runs, once for each cause.
  virtual void on_warning(std::string_view) {}
  // Asked between groups of work; true ends the run within one step.
  virtual bool cancelled() { return false; }
};

// A model opened for generation. Holds configurations, file handles and threads, but no weights between calls.
// Thread rule: one call at a time.
class Engine {
 public:
  // Reads configurations and weight headers. Throws Error when the model is incomplete or not what it claims to be.
  static Engine open(const EngineOptions& options);
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  // What the request would hold, read and compute; reads no weight.
  Plan plan(const Request& request);
  Embeddings encode(const Request& request);
  Result generate(const Request& request, Observer* observer = nullptr);

  // Any thread may call these two at any time. The peak is of what was looked at: each step, each phase's end, and each
  // call of memory().
  MemoryUse memory() const;
  void reset_peak();

 private:
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// "0.1.0"
std::string_view version();

}  // namespace steadyflux
