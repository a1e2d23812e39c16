// Facts and settings of this process.
#pragma once

#include <filesystem>
#include <string>

#include "base/function_ref.h"

namespace steadyflux {

// The directory of the running program. Throws Error(kIo) when the system does not tell.
std::filesystem::path executable_dir();

// Where large files of a moment belong: on a disk, unlike the usual temporary directory, which may be memory. $TMPDIR
// where it is set.
std::filesystem::path scratch_directory();

// The number by which the system knows this process.
long process_id();

// Makes the heap predictable: one arena for all threads, and free memory given back to the system, so that the process
// is not larger than what it uses. Call once, before threads are started.
void limit_malloc_arenas();

// Gives heap memory that is free back to the system. For after work that needed much and kept little.
void release_free_heap();

// Runs `work` in a child process and gives what it returned. Call it before threads are started. What `work` throws
// ends the child with words on stderr. Throws Error(kIo) when there can be no child, Error(kInternal) when it failed,
// and Error(kUnsupported) where the system cannot copy a process.
std::string run_in_child(FunctionRef<std::string()> work);

// A write beyond the limit of file sizes fails with an error, as on a full disk, rather than ending the process.
void ignore_file_size_signal();

}  // namespace steadyflux
