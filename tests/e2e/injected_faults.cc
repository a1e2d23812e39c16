// Loaded before the command's libraries, makes one of its calls to the system or the heap fail.
//
// STEADYFLUX_FAULT=<kind>:<k> names the call: the k-th of its kind.
//   read-error: pread fails
//   read-short: it gives only some of the bytes
//   read-end: it finds the end of the file, and so do all later ones
//   read-garbage: it gives bytes that are not the file's
//   disk-full: write to a file puts only some of the bytes, and there is no room for any later one's
//   sync-error: fsync finds that what was written could not be kept
//   memory: anonymous mmap, or the touching of its pages, finds no memory
//   heap: malloc, on which operator new rests, finds no memory
// Of the last two, only calls by the command itself count; of the two before, where STEADYFLUX_FAULT_IN names a
// directory, only those for files below it.
#include <dlfcn.h>
#include <execinfo.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

enum class Kind { kNone, kReadError, kReadShort, kReadEnd, kReadGarbage, kDiskFull, kSyncError, kMemory, kHeap };

struct Fault {
  Kind kind = Kind::kNone;
  long call = 0;
};

Kind parse_kind(std::string_view name) {
  if (name == "read-error") return Kind::kReadError;
  if (name == "read-short") return Kind::kReadShort;
  if (name == "read-end") return Kind::kReadEnd;
  if (name == "read-garbage") return Kind::kReadGarbage;
  if (name == "disk-full") return Kind::kDiskFull;
  if (name == "sync-error") return Kind::kSyncError;
  if (name == "memory") return Kind::kMemory;
  if (name == "heap") return Kind::kHeap;
  return Kind::kNone;
}

// Allocates nothing: the heap asks for it.
Fault parse_fault() {
  const char* text = std::getenv("STEADYFLUX_FAULT");
  if (text == nullptr) return {};
  const char* colon = std::strchr(text, ':');
  if (colon == nullptr) return {};
  return {parse_kind({text, static_cast<std::size_t>(colon - text)}), std::strtol(colon + 1, nullptr, 10)};
}

const Fault& fault() {
  static const Fault parsed = parse_fault();
  return parsed;
}

// The program's own work begins when it first reads a file. What its libraries' initialisation, or a parser of flags
// that was not made for it, does without memory is not ours.
std::atomic<bool> has_begun = false;
thread_local bool looking = false;

// Where the program or library that holds `code` is loaded.
const void* base_of(const void* code) {
  Dl_info info = {};
  return ::dladdr(code, &info) != 0 ? info.dli_fbase : nullptr;
}

// Whether the command itself asks, or the standard library on its behalf: what other libraries do without memory is
// theirs.
bool is_ours() {
  constexpr int kMaxFrames = 32;
  std::array<void*, kMaxFrames> frames;
  looking = true;
  const int num_frames = ::backtrace(frames.data(), kMaxFrames);
  looking = false;
  static const void* const here = base_of(reinterpret_cast<const void*>(&base_of));
  for (int i = 0; i < num_frames; ++i) {
    Dl_info info = {};
    if (::dladdr(frames[static_cast<std::size_t>(i)], &info) == 0 || info.dli_fbase == here) continue;
    if (std::strstr(info.dli_fname, "libstdc++") != nullptr) continue;
    return std::strstr(info.dli_fname, ".so") == nullptr;
  }
  return false;
}

// Whether this is the call that fails.
bool comes_now(Kind kind) {
  static std::atomic<long> calls = 0;
  const bool is_write = kind == Kind::kDiskFull || kind == Kind::kSyncError;
  if (fault().kind != kind || looking || !(has_begun || is_write)) return false;
  const bool counts = kind == Kind::kMemory || kind == Kind::kHeap ? is_ours() : true;
  return counts && ++calls == fault().call;
}

ssize_t faulty_read(int descriptor, void* out, std::size_t count, off_t offset) {
  static std::atomic<bool> ended = false;
  has_begun = true;
  if (comes_now(Kind::kReadError)) {
    errno = EIO;
    return -1;
  }
  if (comes_now(Kind::kReadEnd)) ended = true;
  if (ended) return 0;
  // Direct reads that are cut short end at a block, or nowhere near one.
  if (comes_now(Kind::kReadShort)) count = count > 8192 ? count / 2 / 4096 * 4096 : count;
  const bool garbage = comes_now(Kind::kReadGarbage);
  const ssize_t got = ::syscall(SYS_pread64, descriptor, out, count, offset);
  if (garbage && got > 0) std::memset(out, 0xFF, static_cast<std::size_t>(got));
  return got;
}

// Whether the descriptor is of a file on the disk that has the fault.
bool is_on_faulty_disk(int descriptor) {
  std::array<char, 4096> path;
  std::array<char, 32> link;
  std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", descriptor);
  const ssize_t length = ::readlink(link.data(), path.data(), path.size());
  if (length <= 0 || path[0] != '/' || descriptor <= STDERR_FILENO) return false;
  const char* directory = std::getenv("STEADYFLUX_FAULT_IN");
  return directory == nullptr || std::string_view(path.data(), static_cast<std::size_t>(length)).starts_with(directory);
}

ssize_t faulty_write(int descriptor, const void* bytes, std::size_t count) {
  static std::atomic<bool> full = false;
  if (fault().kind == Kind::kDiskFull && is_on_faulty_disk(descriptor)) {
    if (comes_now(Kind::kDiskFull)) {
      full = true;
      count /= 2;
      if (count > 0) return ::syscall(SYS_write, descriptor, bytes, count);
    }
    if (full) {
      errno = ENOSPC;
      return -1;
    }
  }
  return ::syscall(SYS_write, descriptor, bytes, count);
}

}  // namespace

extern "C" {

// The C library's own names for its heap.
void* __libc_malloc(std::size_t size) noexcept;
void* __libc_memalign(std::size_t alignment, std::size_t size) noexcept;

void* malloc(std::size_t size) noexcept { return comes_now(Kind::kHeap) ? nullptr : __libc_malloc(size); }

void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return comes_now(Kind::kHeap) ? nullptr : __libc_memalign(alignment, size);
}

ssize_t pread(int descriptor, void* out, std::size_t count, off_t offset) {
  return faulty_read(descriptor, out, count, offset);
}
ssize_t pread64(int descriptor, void* out, std::size_t count, off64_t offset) {
  return faulty_read(descriptor, out, count, offset);
}

ssize_t write(int descriptor, const void* bytes, std::size_t count) { return faulty_write(descriptor, bytes, count); }

int fsync(int descriptor) {
  if (fault().kind == Kind::kSyncError && is_on_faulty_disk(descriptor) && comes_now(Kind::kSyncError)) {
    errno = ENOSPC;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_fsync, descriptor));
}

void* mmap(void* address, std::size_t size, int protection, int flags, int descriptor, off_t offset) noexcept {
  if ((flags & MAP_ANONYMOUS) != 0 && comes_now(Kind::kMemory)) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return reinterpret_cast<void*>(::syscall(SYS_mmap, address, size, protection, flags, descriptor, offset));
}

int madvise(void* address, std::size_t size, int advice) noexcept {
  if (advice == MADV_POPULATE_WRITE && comes_now(Kind::kMemory)) {
    errno = ENOMEM;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_madvise, address, size, advice));
}

}  // extern "C"
