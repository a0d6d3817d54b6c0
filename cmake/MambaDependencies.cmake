# What the project links, found with one clear message each. scripts/setup lists the same
# packages for Debian; docs/dependencies.md says why each is here.

set(MAMBA_SETUP_HINT "Run scripts/setup, which installs every Debian package that the build needs.")

if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  message(FATAL_ERROR "The C++ compiler must be Clang, as it was for libMLIR; found "
    "${CMAKE_CXX_COMPILER_ID} (${CMAKE_CXX_COMPILER}). Package clang; delete the build folder or set "
    "CMAKE_CXX_COMPILER. ${MAMBA_SETUP_HINT}")
endif()

list(APPEND CMAKE_PREFIX_PATH /usr/lib/llvm-22)
find_package(MLIR CONFIG QUIET)
if(NOT MLIR_FOUND)
  message(FATAL_ERROR "MLIR was not found. The packages libmlir-22-dev, mlir-22-tools and "
    "llvm-22-dev provide it (or set MLIR_DIR to its CMake folder). ${MAMBA_SETUP_HINT}")
endif()
# MLIR's version file accepts only its own exact version, so the range is checked here.
if(LLVM_PACKAGE_VERSION VERSION_LESS 22.1 OR NOT LLVM_PACKAGE_VERSION VERSION_LESS 23)
  message(FATAL_ERROR "LLVM/MLIR 22.1 or a later 22.x is needed; found ${LLVM_PACKAGE_VERSION} in "
    "${LLVM_DIR}. ${MAMBA_SETUP_HINT}")
endif()
message(STATUS "LLVM/MLIR ${LLVM_PACKAGE_VERSION} in ${MLIR_DIR}")
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)

# libMLIR.so and libLLVM.so, and the archives for what they do not export. The packages' own targets for those
# archives would pull in static copies of all of MLIR beside the shared one.
add_library(MambaMLIR INTERFACE)
set(MAMBA_PC_MLIR) # for pkg-config
foreach(archive MLIRCAPIIR MLIRCAPIInterfaces MLIRCAPIFunc MLIRCAPIDebug)
  string(APPEND MAMBA_PC_MLIR "-l${archive} ")
  target_link_libraries(MambaMLIR INTERFACE "${LLVM_LIBRARY_DIR}/lib${archive}.a")
endforeach()
target_link_libraries(MambaMLIR INTERFACE "${LLVM_LIBRARY_DIR}/libMLIR.so" "${LLVM_LIBRARY_DIR}/libLLVM.so")
add_library(MambaMLIRLsp INTERFACE)
foreach(archive MLIRLspServerLib MLIRLspServerSupportLib LLVMSupportLSP)
  string(APPEND MAMBA_PC_MLIR "-l${archive} ")
  target_link_libraries(MambaMLIRLsp INTERFACE "${LLVM_LIBRARY_DIR}/lib${archive}.a")
endforeach()
target_link_libraries(MambaMLIRLsp INTERFACE MambaMLIR)
install(TARGETS MambaMLIR MambaMLIRLsp EXPORT MambaOptTargets)
string(APPEND MAMBA_PC_MLIR "-lMLIR -lLLVM")

find_package(Threads REQUIRED)
find_package(PkgConfig QUIET)
if(NOT PKG_CONFIG_FOUND)
  message(FATAL_ERROR "pkg-config was not found (package pkg-config). ${MAMBA_SETUP_HINT}")
endif()

# mamba_find_library(TARGET pkg-config-module debian-package)
function(mamba_find_library target module package)
  pkg_check_modules(${target} QUIET IMPORTED_TARGET GLOBAL ${module})
  if(NOT ${target}_FOUND)
    message(FATAL_ERROR "${module} was not found (package ${package}). ${MAMBA_SETUP_HINT}")
  endif()
  add_library(mamba_${target} ALIAS PkgConfig::${target})
endfunction()

mamba_find_library(jansson jansson libjansson-dev)
mamba_find_library(utf8proc libutf8proc libutf8proc-dev)
mamba_find_library(xxhash libxxhash libxxhash-dev)
if(BUILD_TESTING OR NOT DEFINED BUILD_TESTING)
  mamba_find_library(cmocka cmocka libcmocka-dev)
  mamba_find_library(pcre2 libpcre2-8 libpcre2-dev)
  find_library(MPFR_LIBRARY mpfr)
  find_library(GMP_LIBRARY gmp)
  if(NOT MPFR_LIBRARY OR NOT GMP_LIBRARY)
    message(FATAL_ERROR "MPFR was not found (package libmpfr-dev). ${MAMBA_SETUP_HINT}")
  endif()
endif()
