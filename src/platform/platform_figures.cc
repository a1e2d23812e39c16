// Prints what the platform room says of this system: a program that needs nothing but base and platform, to try a new
// platform with.
#include <array>
#include <cstdio>
#include <exception>

#include "base/bytes.h"
#include "base/thread_pool.h"
#include "platform/file_handle.h"
#include "platform/file_identity.h"
#include "platform/interrupt.h"
#include "platform/page_region.h"
#include "platform/process.h"
#include "platform/process_memory.h"
#include "platform/system_memory.h"
#include "platform/terminal.h"

namespace {

using namespace steadyflux;

void print(const char* what, std::uint64_t bytes) { std::printf("%-24s %s\n", what, format_bytes(bytes).c_str()); }

void print_memory() {
  const SystemFigures system;
  const SystemMemory memory = system.memory();
  print("memory", memory.total_bytes);
  print("available", memory.available_bytes);
  print("group's limit", memory.group_limit_bytes.value_or(0));
  print("swap", memory.swap_total_bytes);
  print("swap free", memory.swap_free_bytes);
  print("swapped in", system.pressure().swapped_in_bytes);
  print("swapped out", system.pressure().swapped_out_bytes);
  print("lock limit", lock_limit_bytes().value_or(0));
  PageRegion region(std::size_t{64} << 20);
  std::printf("%-24s %s\n", "64 MiB can be locked", region.lock() ? "yes" : "no");
  const ProcessMemory process = process_memory();
  print("process", process.charged_bytes());
  print("process, peak resident", process.peak_resident_bytes);
  std::printf("%-24s %s\n", "peak can be reset", reset_peak_resident() ? "yes" : "no");
}

// Writes a file under another name first, then reads it back past the cache.
void print_files() {
  const auto directory = std::filesystem::temp_directory_path();
  const auto path = directory / ("platform_figures." + std::to_string(process_id()));
  const auto temporary = std::filesystem::path(path).concat(".tmp");
  PageRegion page(page_bytes());
  FileHandle out = FileHandle::create_new(temporary);
  out.write_all(page.bytes(), temporary);
  out.sync(temporary);
  out.close(temporary);
  rename_durably(temporary, path);
  const FileHandle direct = FileHandle::open_to_read_direct(path);
  std::printf("%-24s %s\n", "direct reads", direct.is_open() ? "yes" : "no");
  const FileHandle in = FileHandle::open_to_read(path);
  std::printf("%-24s %zu\n", "bytes read back", (direct.is_open() ? direct : in).read_some(0, page.bytes(), path));
  in.drop_cached(0, in.size_bytes(path));
  std::printf("%-24s %s\n", "file identified", identify_file(path) ? "yes" : "no");
  std::filesystem::remove(path);
}

}  // namespace

int main() {
  limit_malloc_arenas();
  ignore_file_size_signal();
  try {
    const InterruptGuard interrupt;
    std::printf("%-24s %s\n", "program in", executable_dir().string().c_str());
    std::printf("%-24s %d\n", "processors", available_threads());
    std::printf("%-24s %d\n", "terminal's columns", terminal_width(OutputStream::kStdout));
    std::printf("%-24s %s\n", "on a terminal", is_terminal(OutputStream::kStdout) ? "yes" : "no");
    print_memory();
    print_files();
    release_free_heap();
    return interrupt.interrupted() ? 130 : 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
