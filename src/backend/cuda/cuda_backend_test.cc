// What the conformance suite does not ask: streams, events, memory, addresses that are not aligned, scratch.
#include "backend/cuda_backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "backend/arena.h"
#include "base/bf16.h"
#include "base/error.h"

namespace steadyflux {
namespace {

class CudaBackend : public testing::Test {
 protected:
  // Runs an operation with scratch of its own and waits for it.
  void run(const ops::Op& op) {
    ops::check(op);
    const std::size_t bytes = backend_->scratch_bytes(op);
    const auto scratch = backend_->reserve(bytes);
    backend_->run(op, {scratch->data(), bytes});
    backend_->wait(backend_->record(Stream::kCompute));
  }

  template <typename T>
  std::vector<T> get(const Tensor& tensor) {
    std::vector<T> values(tensor.num_bytes() / sizeof(T));
    backend_->download(tensor, std::as_writable_bytes(std::span(values)));
    return values;
  }

  std::unique_ptr<Backend> backend_ = make_cuda_backend();
};

std::vector<float> counting(std::size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 1.0f);
  return values;
}

TEST_F(CudaBackend, WorkThatWaitsForACopySeesItsEnd) {
  constexpr std::int64_t kRows = 4096;
  constexpr std::int64_t kWidth = 4096;
  const Shape shape = {kRows, kWidth};
  const std::size_t bytes = tensor_bytes(DType::kF32, shape);
  const auto host = backend_->reserve_host(bytes);
  const auto device = backend_->reserve(2 * bytes);
  const Tensor in(device->data(), DType::kF32, shape);
  const Tensor out(device->data() + bytes, DType::kF32, shape);
  for (float round = 1; round < 4; ++round) {
    std::fill_n(reinterpret_cast<float*>(host->data()), kRows * kWidth, round);
    const Event copied = backend_->copy_async({host->data(), bytes}, in.data);
    backend_->wait_on(Stream::kCompute, copied);
    backend_->run(ops::Add{.a = in, .out = out}, {});
    // The next copy may overwrite `in` only when the sum is done.
    backend_->wait_on(Stream::kCopy, backend_->record(Stream::kCompute));
    const std::vector<float> got = get<float>(out);
    EXPECT_EQ(std::count(got.begin(), got.end(), round), kRows * kWidth);
    backend_->wait(copied);
  }
}

TEST_F(CudaBackend, AnEventWhosePlaceWasTakenIsReachedAllTheSame) {
  const Event first = backend_->record(Stream::kCompute);
  for (int i = 0; i < 5000; ++i) backend_->record(Stream::kCompute);
  const Event last = backend_->record(Stream::kCompute);
  EXPECT_GT(last.number, first.number);
  backend_->wait_on(Stream::kCopy, first);
  backend_->wait(first);
  backend_->wait(last);
  backend_->wait(Event{});
}

TEST_F(CudaBackend, ASecondThreadMayCopyAndWait) {
  constexpr std::size_t kBytes = std::size_t{8} << 20;
  const auto host = backend_->reserve_host(kBytes);
  const auto device = backend_->reserve(kBytes);
  std::fill_n(host->data(), kBytes, std::byte{7});
  std::jthread([&] {
    backend_->wait_on(Stream::kCopy, backend_->record(Stream::kCompute));
    backend_->wait(backend_->copy_async({host->data(), kBytes}, device->data()));
  }).join();
  const auto got = get<std::uint8_t>({device->data(), DType::kU8, {static_cast<std::int64_t>(kBytes)}});
  EXPECT_EQ(std::count(got.begin(), got.end(), 7), static_cast<std::ptrdiff_t>(kBytes));
}

TEST_F(CudaBackend, AnUploadIsOverWhenItReturnsWhateverMemoryItCameFrom) {
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  const auto locked = backend_->reserve_host(kBytes);
  const auto device = backend_->reserve(kBytes);
  const Tensor tensor(device->data(), DType::kU8, {static_cast<std::int64_t>(kBytes)});
  std::vector<std::byte> ordinary(kBytes);
  for (const std::span<std::byte> host : {std::span(ordinary), std::span(locked->data(), kBytes)}) {
    std::fill(host.begin(), host.end(), std::byte{3});
    backend_->upload(host, tensor);
    std::fill(host.begin(), host.end(), std::byte{4});
    const auto got = get<std::uint8_t>(tensor);
    EXPECT_EQ(std::count(got.begin(), got.end(), 3), static_cast<std::ptrdiff_t>(kBytes));
  }
}

TEST_F(CudaBackend, CountsWhatIsReservedAndSaysWhenThereIsNoRoom) {
  const DeviceMemory before = backend_->device_memory();
  EXPECT_GT(before.capacity_bytes, before.overhead_bytes);
  {
    const auto region = backend_->reserve(1 << 20);
    EXPECT_EQ(backend_->device_memory().reserved_bytes, before.reserved_bytes + (1 << 20));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(region->data()) % Arena::kAlignment, 0u);
  }
  EXPECT_EQ(backend_->device_memory().reserved_bytes, before.reserved_bytes);
  EXPECT_EQ(backend_->reserve(0)->size_bytes(), 0u);
  try {
    backend_->reserve(before.capacity_bytes + 1);
    FAIL() << "the device has more memory than it says";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo) << error.what();
  }
  // The refusal leaves nothing behind that later calls would report.
  const auto region = backend_->reserve(64);
  const Tensor tensor(region->data(), DType::kF32, {1, 16});
  const std::vector<float> values = counting(16);
  backend_->upload(std::as_bytes(std::span(values)), tensor);
  run(ops::Add{.a = tensor, .out = tensor});
  EXPECT_EQ(get<float>(tensor), values);
}

// More operations than there are events for.
TEST_F(CudaBackend, TimesEveryOperationByItsClass) {
  constexpr int kRuns = 5000;
  const auto region = backend_->reserve(1 << 20);
  const ops::Op add = ops::Add{.a = Tensor(region->data(), DType::kF32, {64, 64}),
                               .out = Tensor(region->data(), DType::kF32, {64, 64})};
  const Profile before = backend_->profile();
  for (int i = 0; i < kRuns; ++i) backend_->run(add, {});
  const Profile profile = backend_->profile() - before;
  const ClassProfile& sums = profile.of(ops::op_class(add));
  EXPECT_EQ(sums.calls, kRuns);
  EXPECT_EQ(sums.cost.bytes, kRuns * ops::cost(add).bytes);
  EXPECT_GT(sums.seconds, 0);
  EXPECT_LT(sums.seconds, 10);
}

TEST_F(CudaBackend, RefusesADeviceThatIsNotThere) {
  try {
    make_cuda_backend({.device = 999});
    FAIL() << "device 999 was made";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << error.what();
  }
}

// Values in [-1, 1) that bf16 holds.
std::vector<BFloat16> random_bf16(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<BFloat16> values(count);
  for (BFloat16& each : values) each = bf16_from_float(static_cast<float>(random() >> 8) * 0x1p-23f - 1);
  return values;
}

// Rows of whole 16-byte units at addresses that are not: no model asks for it, and nothing may come out wrong.
TEST_F(CudaBackend, LinearLayersTakeAnyAddress) {
  constexpr std::int64_t kSize = 136;
  const Shape shape = {kSize, kSize};
  const auto region = backend_->reserve(4 * tensor_bytes(DType::kBF16, shape));
  const std::vector<BFloat16> values = random_bf16(2 * kSize * kSize, 1);
  const auto place = [&](std::size_t offset) {
    std::vector<Tensor> tensors;
    for (std::size_t i = 0; i < 3; ++i) {
      tensors.emplace_back(region->data() + i * tensor_bytes(DType::kBF16, shape) + offset, DType::kBF16, shape);
      if (i < 2) {
        backend_->upload(std::as_bytes(std::span(values).subspan(i * kSize * kSize, kSize * kSize)), tensors[i]);
      }
    }
    const std::vector<ops::LinearPart> parts = {{.linear = {.weight = tensors[1]}, .out = tensors[2]}};
    run(ops::LinearMany{tensors[0], parts});
    return get<BFloat16>(tensors[2]);
  };
  const std::vector<BFloat16> aligned = place(0);
  const std::vector<BFloat16> shifted = place(2);
  for (std::size_t i = 0; i < aligned.size(); ++i) {
    // Sums of 136 products below 1 in any order, rounded twice.
    EXPECT_NEAR(float_from_bf16(aligned[i]), float_from_bf16(shifted[i]), 0x1p-7 * 8 + 1e-3) << i;
  }
}

// As large as FLUX.1's layers, so that every multiprocessor has several tiles, and parts that share an input. Weights
// and input are -1, 0 and 1, so that sums are exact in any order, of floats and of the integers that stand for them.
TEST_F(CudaBackend, EveryTileOfLargeLinearLayersIsRight) {
  constexpr std::int64_t kRows = 4610;
  constexpr std::int64_t kDepth = 520;
  const std::vector<std::int64_t> widths = {3072, 1000, 3080, 2051, 300};
  std::mt19937 random(3);
  const auto small_integers = [&](std::int64_t count) {
    std::vector<BFloat16> values(static_cast<std::size_t>(count));
    for (BFloat16& each : values) each = bf16_from_float(static_cast<float>(random() % 3) - 1);
    return values;
  };
  const auto region = backend_->reserve(std::size_t{512} << 20);
  Arena arena(region->data(), region->size_bytes());
  const std::vector<BFloat16> x_values = small_integers(kRows * kDepth);
  const Tensor x = arena.allocate(DType::kBF16, {kRows, kDepth});
  backend_->upload(std::as_bytes(std::span(x_values)), x);
  std::vector<std::vector<BFloat16>> weight_values;
  std::vector<ops::LinearPart> parts;
  for (const std::int64_t width : widths) {
    weight_values.push_back(small_integers(width * kDepth));
    const Tensor weight = arena.allocate(DType::kBF16, {width, kDepth});
    backend_->upload(std::as_bytes(std::span(weight_values.back())), weight);
    parts.push_back({.linear = {.weight = weight}, .out = arena.allocate(DType::kF32, {kRows, width})});
  }
  for (const ops::Compute compute : {ops::Compute::kFloat, ops::Compute::kInt8}) {
    for (ops::LinearPart& part : parts) part.compute = compute;
    run(ops::LinearMany{x, parts});
    // Scales of integers are rounded.
    const float allowed = compute == ops::Compute::kInt8 ? 1e-5f : 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const std::vector<float> got = get<float>(parts[i].out);
      int num_wrong = 0;
      // Some elements of every eight rows and every eight columns.
      for (std::int64_t row = 0; row < kRows; row += 5) {
        for (std::int64_t column = row / 5 % 7; column < widths[i]; column += 61) {
          float sum = 0;
          for (std::int64_t k = 0; k < kDepth; ++k) {
            sum += float_from_bf16(x_values[static_cast<std::size_t>(row * kDepth + k)]) *
                   float_from_bf16(weight_values[i][static_cast<std::size_t>(column * kDepth + k)]);
          }
          const float value = got[static_cast<std::size_t>(row * widths[i] + column)];
          if (std::fabs(value - sum) <= allowed * std::fabs(sum)) continue;
          if (++num_wrong < 4) ADD_FAILURE() << "part " << i << ", row " << row << ", column " << column;
        }
      }
      EXPECT_EQ(num_wrong, 0) << "part " << i;
    }
  }
}

template <typename T>
T bf16_or_float(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else {
    return bf16_from_float(value);
  }
}
float as_float(float value) { return value; }
float as_float(BFloat16 value) { return float_from_bf16(value); }

// One with a gate and what was there before, whose last tiles are halves where a card has 66 pairs of multiprocessors.
TEST_F(CudaBackend, EveryTileOfALargeGatedLayerIsRight) {
  constexpr std::int64_t kRows = 4608;
  constexpr std::int64_t kWidth = 3072;
  constexpr std::int64_t kDepth = 128;
  const auto region = backend_->reserve(std::size_t{256} << 20);
  Arena arena(region->data(), region->size_bytes());
  const auto put = [&]<typename T>(T, const Shape& shape, const auto& value_at) {
    std::vector<T> values(static_cast<std::size_t>(shape.num_elements()));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = bf16_or_float<T>(value_at(static_cast<int>(i)));
    const Tensor tensor = arena.allocate(std::is_same_v<T, float> ? DType::kF32 : DType::kBF16, shape);
    backend_->upload(std::as_bytes(std::span(values)), tensor);
    return tensor;
  };
  // One of each row of x and one of each row of the weight is not 0, and every fourth pair of them meets.
  const auto one_of_row = [](int i) { return i / 128 % 4 == i % 128 ? 1.0f + static_cast<float>(i / 128 % 7) : 0.0f; };
  const auto judge = [&]<typename Out>(Out, ops::Compute compute) {
    const ArenaScope scope(arena);
    const Tensor x = put(BFloat16{}, {kRows, kDepth}, one_of_row);
    const Tensor weight = put(BFloat16{}, {kWidth, kDepth}, one_of_row);
    const Tensor out = put(Out{}, {kRows, kWidth}, [](int i) { return static_cast<float>(i % 11); });
    const Tensor gate = put(BFloat16{}, {kWidth}, [](int i) { return static_cast<float>(i % 3); });
    const std::vector<ops::LinearPart> parts = {
        {.linear = {.weight = weight}, .out = out, .gate = gate, .accumulate = true, .compute = compute}};
    run(ops::LinearMany{x, parts});
    const std::vector<Out> got = get<Out>(out);
    // Integers up to 256 are bf16's; those that scales of integers stand for are off by a little.
    const float allowed = compute == ops::Compute::kInt8 ? 0.01f : 0;
    int num_wrong = 0;
    for (int row = 0; row < kRows; ++row) {
      for (int column = 0; column < kWidth; ++column) {
        const int i = row * static_cast<int>(kWidth) + column;
        const int product = row % 4 == column % 4 ? (1 + row % 7) * (1 + column % 7) : 0;
        const auto expected = static_cast<float>(i % 11 + column % 3 * product);
        const float value = as_float(got[static_cast<std::size_t>(i)]);
        if (std::fabs(value - expected) <= allowed * expected) continue;
        if (++num_wrong < 4) {
          ADD_FAILURE() << "row " << row << ", column " << column << ": " << value << ", expected " << expected;
        }
      }
    }
    EXPECT_EQ(num_wrong, 0);
  };
  for (const ops::Compute compute : {ops::Compute::kFloat, ops::Compute::kInt8}) {
    judge(BFloat16{}, compute);
    judge(float{}, compute);
  }
}

TEST_F(CudaBackend, AttentionTakesAnyAddress) {
  const Shape shape = {70, 2, 64};
  const std::size_t bytes = tensor_bytes(DType::kBF16, shape);
  const auto region = backend_->reserve(4 * (bytes + 128));
  const std::vector<BFloat16> values = random_bf16(3 * bytes / 2, 2);
  const auto place = [&](std::size_t offset) {
    Tensor tensors[4];
    for (std::size_t i = 0; i < 4; ++i) {
      tensors[i] = Tensor(region->data() + i * (bytes + 128) + offset, DType::kBF16, shape);
      if (i < 3) backend_->upload(std::as_bytes(std::span(values).subspan(i * bytes / 2, bytes / 2)), tensors[i]);
    }
    run(ops::Attention{.q = tensors[0], .k = tensors[1], .v = tensors[2], .scale = 0.125f, .out = tensors[3]});
    return get<BFloat16>(tensors[3]);
  };
  EXPECT_EQ(place(0), place(2));
}

TEST_F(CudaBackend, FewerRowsNeverNeedMoreScratch) {
  using ops::Activation;
  std::byte* const nowhere = Arena::measuring().allocate(1);
  for (const ops::Compute compute : {ops::Compute::kFloat, ops::Compute::kInt8}) {
    for (const DType weights : {DType::kF32, DType::kBF16, DType::kQ4_0}) {
      for (const auto& [features, cols, activation] : {std::tuple{256, 320, Activation::kSilu},
                                                       {3072, 130, Activation::kNone},
                                                       {3072, 130, Activation::kSilu},
                                                       {3072, 128, Activation::kGeluTanh},
                                                       {3072, 12288, Activation::kNone},
                                                       {3072, 12288, Activation::kGeluTanh},
                                                       {3072, 12288, Activation::kSilu},
                                                       {15360, 256, Activation::kSilu}}) {
        std::size_t last = 0;
        for (const std::int64_t rows : {1, 2, 15, 63, 64, 256, 257, 512, 513, 1024, 1025, 2048, 2049, 4608}) {
          std::vector<ops::LinearPart> parts(3, {.linear = {.weight = Tensor(nowhere, weights, {cols, features})},
                                                 .out = Tensor(nowhere, DType::kBF16, {rows, cols}),
                                                 .activation = activation,
                                                 .compute = compute});
          const Tensor x(nowhere, DType::kBF16, {rows, features});
          const std::size_t bytes = backend_->scratch_bytes(ops::LinearMany{x, parts});
          EXPECT_GE(bytes, last) << rows << " rows of " << features << " by " << cols << ", " << dtype_name(weights);
          last = bytes;
        }
      }
    }
  }
}

}  // namespace
}  // namespace steadyflux
