#include "model/autoencoder/row_window.h"

#include "base/error.h"
#include "model/autoencoder/canvas.h"

namespace steadyflux {

Tensor RowWindow::append(std::int64_t count) {
  results_before_ = results_of(held_.end);
  const Rows kept = {std::max(held_.begin, held_.end - 2 * kHalo), held_.end};
  // Row by row: where a row goes may be where the next one is.
  for (std::int64_t i = 0; i < kept.count() && kept.begin > held_.begin; ++i) {
    copy_pixels(executor_, rows({kept.begin + i, kept.begin + i + 1}), buffer_.rows(i, 1));
  }
  held_ = {kept.begin, held_.end + count};
  ensure(held_.count() <= buffer_.dim(0), count, " rows are too many for a window of ", buffer_.dim(0));
  return buffer_.rows(kept.count(), count);
}

}  // namespace steadyflux
