# Decides whether the CUDA backend is built, and finds what it needs: nvcc, and cuBLASLt from the toolkit or wherever
# STEADYFLUX_CUBLASLT_ROOT says. Sets STEADYFLUX_WITH_CUDA; with it, the target Steadyflux::cublasLt.
# Off unless asked for: a build without it needs no toolkit.
set(STEADYFLUX_CUDA OFF CACHE STRING "Build the CUDA backend: ON, OFF, or AUTO (where nvcc and cuBLASLt are found)")
set_property(CACHE STEADYFLUX_CUDA PROPERTY STRINGS AUTO ON OFF)
set(STEADYFLUX_CUBLASLT_ROOT "" CACHE PATH "Folder with include/cublasLt.h and lib/libcublasLt.so, besides the toolkit")
# Ampere, Ada Lovelace and Hopper; the last one's code is kept in a form that newer cards can translate, too.
set(STEADYFLUX_CUDA_ARCHITECTURES "80-real;86-real;89-real;90" CACHE STRING "GPUs to compile for, as CMake names them")

set(STEADYFLUX_WITH_CUDA OFF CACHE INTERNAL "Whether the CUDA backend is built")
# The sanitizers do not go into device code, and what they test runs on the host.
if(STEADYFLUX_CUDA STREQUAL "OFF" OR (STEADYFLUX_CUDA STREQUAL "AUTO" AND STEADYFLUX_SANITIZE))
  return()
endif()

find_program(STEADYFLUX_NVCC nvcc HINTS ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
if(STEADYFLUX_NVCC)
  get_filename_component(toolkit "${STEADYFLUX_NVCC}" REALPATH)
  get_filename_component(toolkit "${toolkit}/../.." ABSOLUTE)
endif()
find_path(STEADYFLUX_CUBLASLT_INCLUDE cublasLt.h
          HINTS ${STEADYFLUX_CUBLASLT_ROOT} ${toolkit} PATHS /usr/local/cuda
          PATH_SUFFIXES include targets/x86_64-linux/include)
find_library(STEADYFLUX_CUBLASLT_LIBRARY NAMES cublasLt libcublasLt.so.13 libcublasLt.so.12
             HINTS ${STEADYFLUX_CUBLASLT_ROOT} ${toolkit} PATHS /usr/local/cuda
             PATH_SUFFIXES lib64 lib targets/x86_64-linux/lib)
if(STEADYFLUX_NVCC AND STEADYFLUX_CUBLASLT_INCLUDE AND STEADYFLUX_CUBLASLT_LIBRARY)
  set(STEADYFLUX_WITH_CUDA ON CACHE INTERNAL "")
elseif(STEADYFLUX_CUDA STREQUAL "ON")
  message(FATAL_ERROR
    "STEADYFLUX_CUDA is ON, but not all of nvcc (${STEADYFLUX_NVCC}), cublasLt.h (${STEADYFLUX_CUBLASLT_INCLUDE}) and "
    "libcublasLt (${STEADYFLUX_CUBLASLT_LIBRARY}) were found. Put nvcc on the PATH, and name the folder with cuBLASLt's "
    "include and lib with -DSTEADYFLUX_CUBLASLT_ROOT=…, or configure with -DSTEADYFLUX_CUDA=OFF.")
endif()
message(STATUS "CUDA backend: ${STEADYFLUX_WITH_CUDA}")
if(NOT STEADYFLUX_WITH_CUDA)
  return()
endif()

set(CMAKE_CUDA_COMPILER "${STEADYFLUX_NVCC}")
set(CMAKE_CUDA_ARCHITECTURES "${STEADYFLUX_CUDA_ARCHITECTURES}")
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
enable_language(CUDA)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  # CMake 3.25 does not know that nvcc has C++20.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
endif()
set(CMAKE_CUDA_STANDARD 20)
find_package(CUDAToolkit 12.8 REQUIRED)

add_library(Steadyflux::cublasLt SHARED IMPORTED)
set_target_properties(Steadyflux::cublasLt PROPERTIES
  IMPORTED_LOCATION "${STEADYFLUX_CUBLASLT_LIBRARY}"
  INTERFACE_INCLUDE_DIRECTORIES "${STEADYFLUX_CUBLASLT_INCLUDE}")
