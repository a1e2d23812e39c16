// What every operation of the CPU backend works with: workers, prepared products, scratch.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "backend/arena.h"
#include "backend/cpu/int8_rows.h"
#include "backend/cpu/library_threads.h"
#include "backend/cpu/matmul.h"
#include "base/checked.h"
#include "base/thread_pool.h"

namespace steadyflux::cpu {

// Held by the backend; passed to each operation. Thread rule: one thread, which becomes worker 0.
struct Context {
  Context(int num_threads, bool multiply_bf16)
      : pool(num_threads),
        products(num_threads),
        bf16_products(multiply_bf16),
        int8_form(has_int8_products() ? Int8Form::kBytes : Int8Form::kWords) {}

  int num_workers() const { return pool.num_threads(); }

  // Calls task(i, worker) for every i in [0, num_tasks) on the pool, with the library confined to the worker's thread.
  template <typename Task>
  void parallel(std::int64_t num_tasks, const Task& task) {
    pool.run(num_tasks, [&task](std::int64_t i, int worker) {
      const LibraryThreads one_thread(1);
      task(i, worker);
    });
  }

  // The type in which activations of type `dtype` are multiplied.
  DType compute_dtype(DType dtype) const { return bf16_products && dtype == DType::kBF16 ? DType::kBF16 : DType::kF32; }

  ThreadPool pool;
  MatmulCache products;
  bool bf16_products;
  Int8Form int8_form;
};

// The same block of scratch for every worker.
template <typename T>
class PerWorker {
 public:
  PerWorker() = default;
  PerWorker(const Context& context, Arena& arena, std::int64_t count)
      : stride_(align_up(static_cast<std::size_t>(count) * sizeof(T), Arena::kAlignment)),
        base_(arena.allocate(stride_ * static_cast<std::size_t>(context.num_workers()))) {}

  T* operator[](int worker) const { return reinterpret_cast<T*>(base_ + stride_ * static_cast<std::size_t>(worker)); }

 private:
  std::size_t stride_ = 0;
  std::byte* base_ = nullptr;
};

// Scratch shared by all workers.
template <typename T>
T* allocate_shared(Arena& arena, std::int64_t count) {
  return reinterpret_cast<T*>(arena.allocate(static_cast<std::size_t>(count) * sizeof(T)));
}

// [begin, begin + count) of an extent that is cut into equal blocks, the last one shorter.
struct Block {
  std::int64_t begin = 0;
  std::int64_t count = 0;
};

inline Block block_at(std::int64_t index, std::int64_t block, std::int64_t extent) {
  const std::int64_t begin = index * block;
  return {begin, std::min(block, extent - begin)};
}

}  // namespace steadyflux::cpu
