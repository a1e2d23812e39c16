# sf_add_room(NAME SOURCES … LIBS … PRIVATE_LIBS …): one room of src/ as the static library sf_NAME.
function(sf_add_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS;PRIVATE_LIBS" ${ARGN})
  add_library(sf_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(sf_${name} PUBLIC sf_options ${ARG_LIBS} PRIVATE ${ARG_PRIVATE_LIBS})
endfunction()

# sf_add_test(NAME SOURCES … LIBS … [LABELS …]): a googletest program run by ctest.
function(sf_add_test name)
  if(NOT STEADYFLUX_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} sf_options GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  # The device "auto" is the processor here, whatever cards the machine has.
  set_tests_properties(${name} PROPERTIES TIMEOUT 900 ENVIRONMENT "CUDA_VISIBLE_DEVICES=")
  if(ARG_LABELS)
    set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}")
  endif()
endfunction()

# sf_add_fuzzer(NAME SOURCES … LIBS …): a libFuzzer target, built only with -DSTEADYFLUX_FUZZERS=ON under clang.
function(sf_add_fuzzer name)
  if(NOT STEADYFLUX_FUZZERS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} sf_options)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
endfunction()
