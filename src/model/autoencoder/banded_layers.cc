#include "model/autoencoder/banded_layers.h"

#include "model/autoencoder/pixel_layers.h"
#include "model/autoencoder/row_window.h"

namespace steadyflux {

namespace {

constexpr std::int64_t kHalo = RowWindow::kHalo;

// An even number of rows, so that bands can begin at odd rows.
std::int64_t even(std::int64_t rows) { return rows + rows % 2; }

// The band below the first `begin` rows. Bands begin at odd rows, for only there the halo above begins with a whole row
// of an image that is being doubled.
Rows band_below(std::int64_t begin, std::int64_t band_rows, std::int64_t height) {
  const std::int64_t count = even(band_rows);
  return band_at(begin, begin == 0 ? count - 1 : count, height);
}

// The rows of x that `band` of the doubled and convolved x is made from.
Tensor rows_doubled(const Tensor& x, Rows band) {
  const Rows doubled = with_halo(band, kHalo, 2 * x.dim(0));
  return x.rows(doubled.begin / 2, doubled.count() / 2);
}

// `input` is rows_doubled(x, band); `height` is that of the doubled image.
void upsample_rows(const Executor& executor, const Tensor& input, const ConvWeights& weights, Rows band,
                   std::int64_t height, const Tensor& out) {
  ops::Conv2d op = conv_of_rows(input, weights, band, height, out);
  op.upsample = 2;
  executor.run(op);
}

// The rows that a resnet takes in, band after band: pixels that are held, or what an upsampler makes of them.
class InputRows {
 public:
  InputRows(const Executor& executor, const Tensor& pixels, const ConvWeights* upsampler, std::int64_t band_rows)
      : executor_(executor),
        pixels_(pixels),
        upsampler_(upsampler),
        band_rows_(band_rows),
        image_(upsampler == nullptr ? pixels.shape : Shape{2 * pixels.dim(0), 2 * pixels.dim(1), pixels.dim(2)}) {
    if (upsampler != nullptr) upsampled_.emplace(executor, pixels.dtype, image_, even(band_rows));
  }

  // Of all rows together.
  const Shape& image() const { return image_; }
  bool at_end() const { return band_.end == image_[0]; }
  // The rows that were taken last.
  Rows band() const { return band_; }

  Tensor take() {
    band_ = band_below(band_.end, band_rows_, image_[0]);
    if (upsampler_ != nullptr) {
      upsample_rows(executor_, rows_doubled(pixels_, band_), *upsampler_, band_, image_[0],
                    upsampled_->append(band_.count()));
    }
    return rows(band_);
  }

  // Rows of the last band, or of the two above it.
  Tensor rows(Rows rows) const {
    return upsampler_ == nullptr ? pixels_.rows(rows.begin, rows.count()) : upsampled_->rows(rows);
  }

 private:
  const Executor& executor_;
  Tensor pixels_;
  const ConvWeights* upsampler_;
  std::int64_t band_rows_;
  Shape image_;
  std::optional<RowWindow> upsampled_;
  Rows band_;
};

// The hidden layer of a resnet, conv1(silu(norm1(x))), band after band, a row behind x.
class HiddenRows {
 public:
  HiddenRows(const Executor& executor, const ResnetWeights& weights, const Tensor& stats, InputRows& input,
             DType activations, std::int64_t band_rows)
      : executor_(executor),
        weights_(weights),
        stats_(stats),
        input_(input),
        normed_(executor, activations, input.image(), even(band_rows)) {}

  // Takes a band of x in; the rows that can be computed now.
  Rows take() {
    const Tensor x = input_.take();
    apply_group_norm(executor_, x, stats_, weights_.norm1, ops::Activation::kSilu, normed_.append(x.dim(0)));
    return normed_.ready();
  }

  void compute(Rows rows, const Tensor& out) const {
    executor_.run(conv_of_rows(normed_.rows_around(rows), weights_.conv1, rows, input_.image()[0], out));
  }

 private:
  const Executor& executor_;
  const ResnetWeights& weights_;
  Tensor stats_;
  InputRows& input_;
  RowWindow normed_;
};

// A resnet in up to three passes over its input; each but the last gathers the statistics that the next one needs.
class BandedResnet {
 public:
  BandedResnet(const Executor& executor, const AutoencoderConfig& config, const ResnetWeights& weights,
               const ConvWeights* upsampler, std::int64_t band_rows, const Tensor& pixels)
      : executor_(executor),
        config_(config),
        weights_(weights),
        upsampler_(upsampler),
        band_rows_(band_rows),
        pixels_(pixels),
        scale_(upsampler == nullptr ? 1 : 2),
        out_shape_{scale_ * pixels.dim(0), scale_ * pixels.dim(1), weights.conv1.weight.dim(0)} {}

  // Of the sum of input and branch.
  const Shape& out_shape() const { return out_shape_; }
  // Whether a row of the sum takes the place of the input's.
  bool replaces_rows() const { return upsampler_ == nullptr && !has_shortcut(); }

  // `sum` may lie on the canvas's rows that are done with.
  void run(const Tensor& sum) const {
    const Tensor stats = input_stats();
    write_sum(stats, hidden_stats(stats), sum);
  }

 private:
  InputRows input() const { return {executor_, pixels_, upsampler_, band_rows_}; }
  bool has_shortcut() const { return !weights_.shortcut.weight.empty(); }
  // Rows of a layer that is `behind` rows behind the input, at most, in one band. The last band makes up for them.
  Tensor band_buffer(std::int64_t behind) const {
    return executor_.allocate(pixels_.dtype,
                              {std::min(even(band_rows_) + behind, out_shape_[0]), out_shape_[1], out_shape_[2]});
  }
  Tensor moments() const { return executor_.allocate(DType::kF32, {out_shape_[0], config_.norm_groups, 2}); }
  void add_moments(const Tensor& x, Rows rows, const Tensor& moments) const {
    executor_.run(
        ops::GroupNormRows{.x = x, .groups = config_.norm_groups, .moments = moments.rows(rows.begin, rows.count())});
  }

  Tensor input_stats() const;
  Tensor hidden_stats(const Tensor& input_stats) const;
  void write_sum(const Tensor& input_stats, const Tensor& hidden_stats, const Tensor& sum) const;
  void write_input(const Tensor& x, const Tensor& buffer, const Tensor& out) const;

  const Executor& executor_;
  const AutoencoderConfig& config_;
  const ResnetWeights& weights_;
  const ConvWeights* upsampler_;
  std::int64_t band_rows_;
  Tensor pixels_;
  std::int64_t scale_;
  Shape out_shape_;
};

Tensor BandedResnet::input_stats() const {
  if (upsampler_ == nullptr) return group_norm_stats(executor_, config_, pixels_);
  const Tensor moments = this->moments();
  {
    const ArenaScope scope(executor_.arena());
    InputRows rows = input();
    while (!rows.at_end()) {
      const Tensor x = rows.take();
      add_moments(x, rows.band(), moments);
    }
  }
  return group_norm_stats(executor_, moments);
}

Tensor BandedResnet::hidden_stats(const Tensor& input_stats) const {
  const Tensor moments = this->moments();
  {
    const ArenaScope scope(executor_.arena());
    InputRows rows = input();
    HiddenRows hidden(executor_, weights_, input_stats, rows, pixels_.dtype, band_rows_);
    const Tensor buffer = band_buffer(kHalo);
    while (!rows.at_end()) {
      const Rows ready = hidden.take();
      if (ready.empty()) continue;
      const Tensor band = buffer.rows(0, ready.count());
      hidden.compute(ready, band);
      add_moments(band, ready, moments);
    }
  }
  return group_norm_stats(executor_, moments);
}

// Two rows behind the input, so that none is overwritten that is still to be read.
void BandedResnet::write_sum(const Tensor& input_stats, const Tensor& hidden_stats, const Tensor& sum) const {
  const ArenaScope scope(executor_.arena());
  InputRows rows = input();
  HiddenRows hidden(executor_, weights_, input_stats, rows, pixels_.dtype, band_rows_);
  RowWindow normed(executor_, pixels_.dtype, out_shape_, even(band_rows_) + kHalo);
  const Tensor buffer = upsampler_ == nullptr && has_shortcut() ? band_buffer(2 * kHalo) : Tensor();
  while (!rows.at_end()) {
    const Rows computed = hidden.take();
    if (computed.empty()) continue;
    const Tensor band = normed.append(computed.count());
    hidden.compute(computed, band);
    apply_group_norm(executor_, band, hidden_stats, weights_.norm2, ops::Activation::kSilu, band);
    const Rows ready = normed.ready();
    if (ready.empty()) continue;
    const Tensor out = sum.rows(ready.begin, ready.count());
    write_input(rows.rows(ready), buffer, out);
    ops::Conv2d conv2 = conv_of_rows(normed.rows_around(ready), weights_.conv2, ready, out_shape_[0], out);
    conv2.accumulate = true;
    executor_.run(conv2);
  }
}

// The residual connection. x may overlap `out` where both are on the canvas.
void BandedResnet::write_input(const Tensor& x, const Tensor& buffer, const Tensor& out) const {
  if (replaces_rows()) return;
  if (!has_shortcut()) return copy_pixels(executor_, x, out);
  if (buffer.empty()) return conv(executor_, x, weights_.shortcut, out);
  const Tensor converted = buffer.rows(0, x.dim(0));
  conv(executor_, x, weights_.shortcut, converted);
  copy_pixels(executor_, converted, out);
}

}  // namespace

void upsample_in_bands(const Executor& executor, const ConvWeights& weights, std::int64_t band_rows, Canvas& canvas) {
  const Tensor x = canvas.pixels();
  const Tensor out = canvas.result(2 * x.dim(0), 2 * x.dim(1), x.dim(2));
  {
    const ArenaScope scope(executor.arena());
    // A copy, because the result may reach into the rows that it is made from; not into those below.
    const Tensor buffer =
        executor.allocate(x.dtype, {std::min(even(band_rows) / 2 + kHalo, x.dim(0)), x.dim(1), x.dim(2)});
    for (Rows band; band.end < out.dim(0);) {
      band = band_below(band.end, band_rows, out.dim(0));
      const Tensor rows = rows_doubled(x, band);
      const Tensor copy = buffer.rows(0, rows.dim(0));
      copy_pixels(executor, rows, copy);
      upsample_rows(executor, copy, weights, band, out.dim(0), out.rows(band.begin, band.count()));
    }
  }
  canvas.settle(out);
}

void resnet_in_bands(const Executor& executor, const AutoencoderConfig& config, const ResnetWeights& weights,
                     const ConvWeights* upsampler, std::int64_t band_rows, Canvas& canvas) {
  const BandedResnet banded(executor, config, weights, upsampler, band_rows, canvas.pixels());
  const Shape& shape = banded.out_shape();
  const Tensor sum = banded.replaces_rows() ? canvas.pixels() : canvas.result(shape[0], shape[1], shape[2]);
  {
    const ArenaScope scope(executor.arena());
    banded.run(sum);
  }
  if (!banded.replaces_rows()) canvas.settle(sum);
}

}  // namespace steadyflux
