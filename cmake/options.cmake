# Compile and link options shared by every target, carried by the interface target sf_options.
add_library(sf_options INTERFACE)
target_include_directories(sf_options INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
option(STEADYFLUX_WERROR "Warnings are errors; off for compilers that the project does not promise to be silent with" ON)
set(warnings
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wnon-virtual-dtor
  -Woverloaded-virtual -Wnull-dereference -Wundef -fno-math-errno -ffp-contract=off)
if(STEADYFLUX_WERROR)
  list(APPEND warnings -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports overlapping copies inside std::string's own operator+ (its bug 105651).
  list(APPEND warnings -Wno-restrict)
endif()
# nvcc's own code for the host would not pass all of them, and host code in .cu files is short. Constant functions of
# the host may be called on the device.
target_compile_options(sf_options INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:${warnings}>"
  "$<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;-Xcompiler=-Wall,-Wextra>")
if(STEADYFLUX_WERROR)
  target_compile_options(sf_options INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:--Werror=all-warnings>")
endif()

if(STEADYFLUX_SANITIZE)
  target_compile_options(sf_options INTERFACE -fsanitize=${STEADYFLUX_SANITIZE} -fno-omit-frame-pointer
                                              -fno-sanitize-recover=all -g1)
  target_link_options(sf_options INTERFACE -fsanitize=${STEADYFLUX_SANITIZE})
  # g++ 12 sees impossible null paths through sanitizer instrumentation.
  target_compile_options(sf_options INTERFACE -Wno-null-dereference)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()
