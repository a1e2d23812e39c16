#include "spark/judge.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <sstream>

#include "backend/cpu/cpu_backend.h"
#include "base/checked.h"
#include "base/error.h"
#include "format/safetensors.h"

namespace steadyflux::spark {
namespace {

constexpr std::int64_t kGroups = 8;
constexpr float kEps = 1e-5F;
constexpr int kSide = 256;
constexpr double kLeastScore = 0.4;               // of a cell that counts as an object
constexpr std::size_t kArenaBytes = 64U << 20U;   // several times what a picture takes
constexpr std::uint64_t kMostBytes = 16U << 20U;  // of the file

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(part);
  return parts;
}

Shape shape_of(const TensorInfo& info) {
  const std::vector<std::int64_t>& s = info.shape;
  if (s.size() == 1) return {s[0]};
  if (s.size() == 2) return {s[0], s[1]};
  ensure(s.size() == 4, info.name, " has ", s.size(), " dimensions");
  return {s[0], s[1], s[2], s[3]};
}

std::vector<float> download(const Executor& executor, const Tensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.shape.num_elements()));
  executor.backend().download(tensor, std::as_writable_bytes(std::span(values)));
  return values;
}

std::size_t argmax(std::span<const float> logits) {
  return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

// A 3 x 3 convolution; `stride` and `upsample` by the shape of `out`.
void convolve(const Executor& executor, const Tensor& x, const Tensor& weight, bool accumulate, const Tensor& out) {
  ops::Conv2d op{.x = x, .weight = weight, .accumulate = accumulate, .out = out};
  op.stride = x.dim(0) > out.dim(0) ? 2 : 1;
  op.upsample = x.dim(0) < out.dim(0) ? 2 : 1;
  op.pad_top = op.pad_left = op.pad_bottom = op.pad_right = 1;
  executor.run(op);
}

}  // namespace

Judge::Judge(const std::filesystem::path& weights) : backend_(make_cpu_backend()) {
  const auto file = open_file(weights);
  const SafetensorsHeader header = read_safetensors_header(*file);
  const std::string bytes = read_whole_file(*file, kMostBytes);
  for (const auto& [what, list] : header.metadata) names_[what] = split(list);
  std::size_t total = 0;
  for (const TensorInfo& info : header.tensors) total += align_up(info.num_bytes, Arena::kAlignment);
  memory_ = backend_->reserve(total);
  Arena arena(memory_->data(), memory_->size_bytes());
  for (const TensorInfo& info : header.tensors) {
    const Tensor tensor = arena.allocate(info.dtype, shape_of(info));
    backend_->upload(std::as_bytes(std::span(bytes).subspan(info.offset, info.num_bytes)), tensor);
    weights_[info.name] = tensor;
  }
}

const Tensor& Judge::weight(const std::string& name) const {
  const auto found = weights_.find(name);
  ensure(found != weights_.end(), "the judge has no weight ", name);
  return found->second;
}

const std::vector<std::string>& Judge::names(const std::string& what) const {
  const auto found = names_.find(what);
  ensure(found != names_.end(), "the judge has no names of a ", what);
  return found->second;
}

Seen Judge::look(RgbView picture) {
  ensure(std::min(picture.width, picture.height) == kSide && picture.width % 16 == 0 && picture.height % 16 == 0,
         "the judge cannot look at a picture of ", picture.width, "x", picture.height);
  const auto region = backend_->reserve(kArenaBytes);
  Arena arena(region->data(), region->size_bytes());
  const Executor executor(*backend_, arena);
  const Tensor seen_features = features(executor, upload(executor, picture));
  Seen seen{find_objects(executor, seen_features), {}, {}};
  name_scene(executor, seen_features, seen);
  return seen;
}

Tensor Judge::upload(const Executor& executor, RgbView picture) const {
  std::vector<float> values;
  values.reserve(picture.pixels.size() / 3 * 5);
  const auto shorter = static_cast<float>(std::min(picture.width, picture.height));
  auto pixel = picture.pixels.begin();
  for (int row = 0; row < picture.height; ++row) {
    for (int column = 0; column < picture.width; ++column) {
      for (int channel = 0; channel < 3; ++channel) values.push_back(static_cast<float>(*pixel++) / 127.5F - 1);
      values.push_back(static_cast<float>(2 * column + 1 - picture.width) / shorter);
      values.push_back(static_cast<float>(picture.height - 1 - 2 * row) / shorter);
    }
  }
  const Tensor input = executor.allocate(DType::kF32, {picture.height, picture.width, 5});
  executor.backend().upload(std::as_bytes(std::span(values)), input);
  return input;
}

Tensor Judge::features(const Executor& executor, const Tensor& input) const {
  Tensor x = halved(executor, input, "halve.0");
  normalise(executor, x, "first_norm", x);
  x = halved(executor, x, "halve.1");
  add_block(executor, x, "quarter");
  x = halved(executor, x, "halve.2");
  for (const char* block : {"eighth.0", "eighth.1"}) add_block(executor, x, block);
  const Tensor wide = halved(executor, x, "halve.3");
  for (const char* block : {"sixteenth.0", "sixteenth.1", "sixteenth.2"}) add_block(executor, wide, block);
  convolve(executor, wide, weight("back.weight"), true, x);
  add_block(executor, x, "last");
  normalise(executor, x, "last_norm", x);
  return x;
}

void Judge::normalise(const Executor& executor, const Tensor& x, const std::string& norm, const Tensor& out) const {
  const ArenaScope scope(executor.arena());
  const Tensor stats = executor.allocate(DType::kF32, {kGroups, 2});
  const Tensor moments = executor.allocate(DType::kF32, {x.dim(0), kGroups, 2});
  executor.run(ops::GroupNormRows{.x = x, .groups = kGroups, .moments = moments});
  executor.run(ops::GroupNormStats{.moments = moments, .eps = kEps, .stats = stats});
  executor.run(
      ops::GroupNormApply{x, stats, weight(norm + ".weight"), weight(norm + ".bias"), ops::Activation::kSilu, out});
}

Tensor Judge::halved(const Executor& executor, const Tensor& x, const std::string& conv) const {
  const Tensor& filters = weight(conv + ".weight");
  const Tensor out = executor.allocate(DType::kF32, {x.dim(0) / 2, x.dim(1) / 2, filters.dim(0)});
  convolve(executor, x, filters, false, out);
  return out;
}

void Judge::add_block(const Executor& executor, const Tensor& x, const std::string& block) const {
  const ArenaScope scope(executor.arena());
  const Tensor normed = executor.allocate(DType::kF32, x.shape);
  const Tensor inner = executor.allocate(DType::kF32, x.shape);
  normalise(executor, x, block + ".norm1", normed);
  convolve(executor, normed, weight(block + ".conv1.weight"), false, inner);
  normalise(executor, inner, block + ".norm2", inner);
  convolve(executor, inner, weight(block + ".conv2.weight"), true, x);
}

std::vector<Found> Judge::find_objects(const Executor& executor, const Tensor& features) const {
  const Tensor& filters = weight("objects.weight");
  const std::int64_t height = features.dim(0);
  const std::int64_t width = features.dim(1);
  const Tensor maps = executor.allocate(DType::kF32, {height, width, filters.dim(0)});
  executor.run(ops::Conv2d{.x = features, .weight = filters, .bias = weight("objects.bias"), .out = maps});
  const std::vector<float> values = download(executor, maps);

  const auto depth = static_cast<std::size_t>(filters.dim(0));
  const auto cell = [&](std::int64_t row, std::int64_t column) {
    return std::span(values).subspan(static_cast<std::size_t>(row * width + column) * depth, depth);
  };
  const auto is_peak = [&](std::int64_t row, std::int64_t column) {
    const float score = cell(row, column)[0];
    if (score <= std::log(kLeastScore / (1 - kLeastScore))) return false;
    for (std::int64_t r = std::max<std::int64_t>(row - 1, 0); r < std::min(row + 2, height); ++r) {
      for (std::int64_t c = std::max<std::int64_t>(column - 1, 0); c < std::min(column + 2, width); ++c) {
        if (cell(r, c)[0] > score) return false;
      }
    }
    return true;
  };
  const std::vector<std::string>& kinds = names("kind");
  const std::vector<std::string>& colours = names("colour");
  std::vector<Found> found;
  for (std::int64_t row = 0; row < height; ++row) {
    for (std::int64_t column = 0; column < width; ++column) {
      if (!is_peak(row, column)) continue;
      const std::span<const float> told = cell(row, column);
      const std::span<const float> place = told.last(5);
      found.push_back({kinds.at(argmax(told.subspan(1, kinds.size()))),
                       colours.at(argmax(told.subspan(1 + kinds.size(), colours.size()))), place[0], place[1], place[2],
                       place[3], place[4]});
    }
  }
  return found;
}

void Judge::name_scene(const Executor& executor, const Tensor& features, Seen& seen) const {
  const std::vector<float> values = download(executor, features);
  const auto depth = static_cast<std::size_t>(features.dim(2));
  const std::size_t cells = values.size() / depth;
  std::vector<float> means(2 * depth);  // of the upper half, then of the lower
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t half = i / depth < cells / 2 ? 0 : 1;
    means[half * depth + i % depth] += values[i] / static_cast<float>(cells / 2);
  }
  const Tensor x = executor.allocate(DType::kF32, {1, static_cast<std::int64_t>(means.size())});
  executor.backend().upload(std::as_bytes(std::span(means)), x);
  const Tensor logits = executor.allocate(DType::kF32, {1, weight("scene.weight").dim(0)});
  const ops::LinearPart part{.linear = {weight("scene.weight"), weight("scene.bias")}, .out = logits};
  executor.run(ops::LinearMany{x, {&part, 1}});
  const std::vector<float> told = download(executor, logits);
  const std::vector<std::string>& grounds = names("ground");
  seen.ground = grounds.at(argmax(std::span(told).first(grounds.size())));
  seen.sky = names("sky").at(argmax(std::span(told).subspan(grounds.size())));
}

}  // namespace steadyflux::spark
