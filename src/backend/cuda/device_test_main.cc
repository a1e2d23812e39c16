// The main function of test programs that need a device. Without one nothing was tested, and the exit code 77 says so:
// ctest counts the test as skipped.
#include <gtest/gtest.h>

#include <iostream>

#include "backend/cuda_backend.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (steadyflux::num_cuda_devices() == 0) {
    std::cout << "no CUDA device: nothing was tested\n";
    return 77;
  }
  return RUN_ALL_TESTS();
}
