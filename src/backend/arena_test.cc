#include "backend/arena.h"

#include <gtest/gtest.h>

#include <optional>

#include "base/error.h"

namespace steadyflux {
namespace {

TEST(Arena, ReusesMemoryAfterAScopeAndRemembersThePeak) {
  Arena arena = Arena::measuring();
  arena.allocate(100);
  std::byte* first = nullptr;
  {
    const ArenaScope scope(arena);
    first = arena.allocate(1000);
    arena.allocate_scratch(500);
  }
  EXPECT_EQ(arena.allocate(10), first);
  EXPECT_EQ(arena.used_bytes(), 128u + 128u);
  EXPECT_EQ(arena.peak_bytes(), 128u + 1024u + 512u);
  EXPECT_EQ(arena.peak_scratch_bytes(), 512u);
}

TEST(Arena, OverrunIsAnError) {
  alignas(Arena::kAlignment) std::byte memory[256];
  Arena arena(memory, sizeof memory);
  EXPECT_EQ(arena.allocate(1), memory);
  EXPECT_EQ(arena.allocate(128), memory + 128);
  EXPECT_THROW(arena.allocate(1), Error);
  Arena another(memory, sizeof memory);
  EXPECT_THROW(another.allocate(static_cast<std::size_t>(-1)), Error);
}

TEST(Arena, EndsGrowTowardsEachOtherAndAreGivenBackApart) {
  alignas(Arena::kAlignment) std::byte memory[512];
  Arena arena(memory, sizeof memory);
  std::optional<ArenaScope> near_scope(arena);
  EXPECT_EQ(arena.allocate(128), memory);
  const ArenaScope far_scope(arena, ArenaEnd::kFar);
  EXPECT_EQ(arena.allocate(100, ArenaEnd::kFar), memory + 384);
  EXPECT_EQ(arena.allocate(128, ArenaEnd::kFar), memory + 256);
  EXPECT_THROW(arena.allocate(129), Error);
  near_scope.reset();
  EXPECT_EQ(arena.used_bytes(), 256u);
  EXPECT_EQ(arena.allocate(256), memory);
  EXPECT_THROW(arena.allocate(1, ArenaEnd::kFar), Error);
  EXPECT_EQ(arena.peak_bytes(), 512u);
}

}  // namespace
}  // namespace steadyflux
