// A phase's working memory: one region, handed out last in, first out from either end.
#pragma once

#include <cstddef>

#include "tensor/tensor.h"

namespace steadyflux {

// The ends of an arena: two stacks that grow towards each other. Everything lives at the near end, but for data on its
// way through a network whose sizes change: input and output of a layer at opposite ends let the input go first.
enum class ArenaEnd { kNear, kFar };

// Addresses inside one region of known size. Holds no memory itself: the region outlives it.
// A measuring arena has made-up addresses and no limit; the same code run on it yields the high-water mark that sizes
// the real one.
// Thread rule: one thread.
class Arena {
 public:
  static constexpr std::size_t kAlignment = 128;

  // `memory` is aligned to kAlignment.
  Arena(std::byte* memory, std::size_t capacity_bytes) : base_(memory), capacity_bytes_(capacity_bytes) {}
  static Arena measuring();

  // An uninitialised block, aligned to kAlignment. Overrun throws Error(kInternal): the plan was wrong.
  std::byte* allocate(std::size_t bytes, ArenaEnd end = ArenaEnd::kNear);
  // The same at the near end, counted as scratch.
  std::byte* allocate_scratch(std::size_t bytes);
  Tensor allocate(DType dtype, const Shape& shape, ArenaEnd end = ArenaEnd::kNear) {
    return {allocate(tensor_bytes(dtype, shape), end), dtype, shape};
  }

  // Of both ends together.
  std::size_t used_bytes() const { return near_bytes_ + far_bytes_; }
  // The largest used_bytes() so far, and how much of it was scratch at that moment.
  std::size_t peak_bytes() const { return peak_bytes_; }
  std::size_t peak_scratch_bytes() const { return peak_scratch_bytes_; }

 private:
  friend class ArenaScope;

  std::byte* base_;
  std::size_t capacity_bytes_;
  std::size_t near_bytes_ = 0;
  std::size_t far_bytes_ = 0;
  std::size_t scratch_bytes_ = 0;
  std::size_t peak_bytes_ = 0;
  std::size_t peak_scratch_bytes_ = 0;
};

// Gives back, when it ends, everything allocated at one end since it began.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena, ArenaEnd end = ArenaEnd::kNear)
      : used_bytes_(end == ArenaEnd::kNear ? arena.near_bytes_ : arena.far_bytes_),
        scratch_bytes_(arena.scratch_bytes_),
        begin_used_bytes_(used_bytes_),
        begin_scratch_bytes_(scratch_bytes_) {}
  ~ArenaScope() {
    used_bytes_ = begin_used_bytes_;
    scratch_bytes_ = begin_scratch_bytes_;
  }
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;

 private:
  std::size_t& used_bytes_;
  std::size_t& scratch_bytes_;
  std::size_t begin_used_bytes_;
  std::size_t begin_scratch_bytes_;
};

}  // namespace steadyflux
