#include <gtest/gtest.h>

#include <string>

#include "backend/cuda_backend.h"
#include "base/error.h"

namespace steadyflux {
namespace {

TEST(CudaStub, OffersNoDevice) {
  EXPECT_FALSE(has_cuda_backend());
  EXPECT_EQ(num_cuda_devices(), 0);
}

TEST(CudaStub, SaysHowToGetTheBackend) {
  try {
    make_cuda_backend();
    FAIL() << "a backend came out of a build without CUDA";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("STEADYFLUX_CUDA=ON"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace steadyflux
