// steadyflux doctor: what this machine has, and what to set.
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/thread_pool.h"
#include "commands.h"
#include "pipeline/doctor/examine.h"
#include "pipeline/find_model.h"
#include "pipeline/rates_file.h"
#include "pipeline/user_cache_dir.h"
#include "request_flags.h"

namespace steadyflux::cli {
namespace {

struct DoctorFlags {
  std::string model = "spark";
  std::string device = "auto";
  std::filesystem::path cache;
  int threads = 0;
  double seconds = 1;
  bool json = false;
  bool save = false;
};

int run_doctor(const DoctorFlags& flags) {
  doctor::Settings settings;
  settings.model = find_model(flags.model);
  settings.cache = flags.cache.empty() ? user_cache_dir() : flags.cache;
  settings.device = flags.device;
  settings.threads = threads_or_available(flags.threads);
  settings.seconds = flags.seconds;
  const std::filesystem::path rates = rates_path();
  if (flags.save && rates.empty()) {
    fail(ErrorCode::kInvalidArgument, "--save needs a home: neither XDG_CACHE_HOME nor HOME is set");
  }
  const doctor::Examination found = doctor::examine(settings);
  std::cout << (flags.json ? to_json(found) : to_text(found));
  if (!flags.save) return kDone;
  if (found.rates.disk_bytes <= 0) fail(ErrorCode::kIo, "no disk's rate could be measured: nothing is saved");
  save_rates(rates, found.rates, found.device, found.threads);
  std::cerr << "saved for predicted seconds: " << rates.string() << '\n';
  return kDone;
}

}  // namespace

Command add_doctor(CLI::App& program) {
  auto flags = std::make_shared<DoctorFlags>();
  CLI::App& app = *program.add_subcommand("doctor", "Say what this machine has and what to set; takes about 20 s");
  app.add_option("--model", flags->model, "The model whose disk is measured: a directory, \"spark\", or an ID")
      ->capture_default_str();
  app.add_option("--prompt-cache", flags->cache, "The directory whose disk is measured as the cache's");
  app.add_option("--device", flags->device, "What computes: auto, cpu, cuda, cuda:N or simulated")
      ->check(check_device, "")
      ->capture_default_str();
  app.add_option("--threads", flags->threads, "Worker threads; 0: one per processor")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--seconds", flags->seconds, "Spent on each rate")
      ->check(CLI::Range(0.01, 60.0))
      ->capture_default_str();
  app.add_flag("--json", flags->json, "As JSON");
  app.add_flag("--save", flags->save, "Keep the measured rates: later plans predict their seconds from them");
  return [flags] { return run_doctor(*flags); };
}

}  // namespace steadyflux::cli
