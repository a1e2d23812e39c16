// What this machine has that matters to a run, and what to set.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "memory/rates.h"
#include "pipeline/doctor/disk_rate.h"
#include "platform/system_memory.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux::doctor {

struct Settings {
  std::string device = "auto";            // as EngineOptions::device
  SimulatedDevice simulated_device = {};  // of the device "simulated"
  std::filesystem::path model;            // a model's directory: its largest weight file is read
  std::filesystem::path cache;  // where results are kept; an enclosing directory stands for one that is not there
  int threads = 1;
  double seconds = 1;  // spent on each rate
  std::filesystem::path system_root = "/";
};

// One file system that weights or results come from.
struct FileSystem {
  std::string holds;  // "model", "cache"
  std::filesystem::path path;
  std::uint64_t free_bytes = 0;
  std::optional<DiskRate> rate;  // nothing when no file could be made or read there
};

// A device with memory of its own. What it copies weights at is among the rates.
struct DiscreteDevice {
  std::uint64_t memory_bytes = 0;
  std::uint64_t overhead_bytes = 0;     // that the backend itself takes at most
  std::uint64_t auto_budget_bytes = 0;  // what --vram auto takes
};

struct Examination {
  SystemMemory memory;
  std::uint64_t auto_budget_bytes = 0;            // what --ram auto takes
  std::optional<std::uint64_t> lock_limit_bytes;  // nothing: no limit
  std::string device;                             // the backend's name
  std::optional<DiscreteDevice> discrete;         // nothing where the device's memory is the host's
  int threads = 0;
  std::string instruction_set;  // for matrix products
  bool bf16_products = false;
  Rates rates;            // measured; the disk's is the model's, or the cache's where that cannot be told
  double copy_bytes = 0;  // a second, read and written counted both
  std::vector<FileSystem> file_systems;
  std::vector<std::string> advice;  // what to set, and what to be aware of
};

// Takes some ten times `seconds`, and some 600 MiB of memory.
Examination examine(const Settings& settings);

// What follows from the figures; the rest of `found` is complete.
std::vector<std::string> advise(const Examination& found);

std::string to_text(const Examination& found);  // for people
std::string to_json(const Examination& found);

}  // namespace steadyflux::doctor
