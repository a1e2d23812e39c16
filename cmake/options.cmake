# Compile and link options shared by every target, carried by the interface target sf_options.
add_library(sf_options INTERFACE)
target_include_directories(sf_options INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
target_compile_options(sf_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wnon-virtual-dtor
  -Woverloaded-virtual -Wnull-dereference -Wundef -Werror -fno-math-errno -ffp-contract=off)

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports overlapping copies inside std::string's own operator+ (its bug 105651).
  target_compile_options(sf_options INTERFACE -Wno-restrict)
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
endif()
