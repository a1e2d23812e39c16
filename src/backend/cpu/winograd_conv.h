// Convolution 3 x 3 with fewer products: Winograd's F(2 x 2, 3 x 3).
#pragma once

#include "backend/cpu/context.h"
#include "ops/ops.h"

namespace steadyflux::cpu {

// Tiles of 2 x 2 pixels of the result, and the 4 x 4 of the input around each, are taken to 16 points; there, a
// convolution is one product of matrices [tiles, in_channels] x [in_channels, out_channels] for each point: 16
// products for each tile and pair of channels instead of 36 (Lavin and Gray, "Fast Algorithms for Convolutional Neural
// Networks", 2016, section 4.1). Of pixels that are doubled first, the two middle rows of a tile's input are one, and
// so are its two middle columns: 9 points remain, of a tile's input 3 x 3.
//
// Sums are in f32, and so are the points: not for products of bf16, to which the points would have to be rounded.
//
// What a pixel's result is does not depend on the rows above and below that are not in its window (the transform of
// either row of a tile leaves the input's row beyond the window of that row out), nor on the number of tiles: bands
// have the bits of the whole, with tiles beginning at even rows of the whole (Conv2d::first_row).
bool suits_winograd(const Context& context, const ops::Conv2d& op);

// For an operation that suits.
std::size_t winograd_conv_scratch_bytes(Context& context, const ops::Conv2d& op);
void run_winograd_conv(Context& context, const ops::Conv2d& op, Arena& scratch);

}  // namespace steadyflux::cpu
