# Language levels, warnings and sanitizers of every target, and the two functions that define
# libraries and tests.

option(MAMBA_WERROR "Treat warnings as errors" OFF)
option(MAMBA_ASSERTIONS "Keep assertions in every build type" OFF)
option(MAMBA_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(MAMBA_FUZZ "Build the libFuzzer targets of the file formats; needs Clang" OFF)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(THREADS_PREFER_PTHREAD_FLAG ON)
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON) # LLVM is not on the default search path
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_C_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER "${CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE}")
endif()

if(MAMBA_ASSERTIONS)
  add_compile_options(-UNDEBUG)
endif()
if(MAMBA_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()

# The numerics contract (docs/numerics.md) forbids contraction and everything -ffast-math implies.
set(MAMBA_C_FLAGS -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
                  -ffp-contract=off -fno-fast-math)
if(MAMBA_WERROR)
  list(APPEND MAMBA_C_FLAGS -Werror)
endif()

# mamba_add_library(NAME sources... [LINK libraries...])
# A static library of C11 with the project's flags; headers are found as "mamba/NAME.h".
function(mamba_add_library name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_compile_definitions(${name} PRIVATE _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE)
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:C>:${MAMBA_C_FLAGS}>)
  target_include_directories(${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> # for "kernels/half.h", which is installed beside those that include it
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
  install(TARGETS ${name} EXPORT MambaOptTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  set_property(GLOBAL APPEND PROPERTY MAMBA_LIBRARIES -l${name}) # for pkg-config
endfunction()

# mamba_add_test(NAME sources... [LINK libraries...] [ARGS arguments...])
# A cmocka program that ctest runs from test/ in the source tree.
function(mamba_add_test name)
  cmake_parse_arguments(ARG "" "" "LINK;ARGS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/test")
  target_compile_definitions(${name} PRIVATE _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE)
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:C>:${MAMBA_C_FLAGS}>)
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/test/support")
  target_link_libraries(${name} PRIVATE ${ARG_LINK} mamba_cmocka)
  add_test(NAME ${name} COMMAND ${name} ${ARG_ARGS} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}/test")
  # A cmocka program that has nothing to check exits with 77 and says why.
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 LABELS sanitize
    ENVIRONMENT "MAMBA_TEST_DATA=${MAMBA_TEST_DATA}")
endfunction()

# mamba_cxx_target(NAME): flags of the few C++ targets, the same RTTI and exception settings as LLVM.
function(mamba_cxx_target name)
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wno-unused-parameter -fno-rtti -fno-exceptions
    $<$<BOOL:${MAMBA_WERROR}>:-Werror>)
  target_include_directories(${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_include_directories(${name} SYSTEM PUBLIC ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
  install(TARGETS ${name} EXPORT MambaOptTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  set_property(GLOBAL APPEND PROPERTY MAMBA_LIBRARIES -l${name}) # for pkg-config
endfunction()

# mamba_add_tool(NAME sources... [LINK libraries...]): a C program, linked by the C++ driver because LLVM is C++.
function(mamba_add_tool name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX)
  target_compile_definitions(${name} PRIVATE _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE)
  target_compile_options(${name} PRIVATE ${MAMBA_C_FLAGS})
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()
