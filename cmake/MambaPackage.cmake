# cpack: a .deb that installs on Debian 12. Its dependencies are what the tools load; a C compiler builds bundles, and
# the packages with headers are for those who build against the libraries.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME mamba-opt)
# Policy wants an address. Who gives packages to others sets his own; example.org belongs to nobody (RFC 2606).
set(MAMBA_MAINTAINER "mamba-opt developers <mamba-opt@example.org>" CACHE STRING "Maintainer of the Debian package")
set(CPACK_PACKAGE_CONTACT "${MAMBA_MAINTAINER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "compiler from trained Mamba models to integer C and CUDA")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "It imports a checkpoint of a Mamba language model, quantizes it to 8-bit
integers by passes over an MLIR dialect that can be read after every step, and
writes a folder of plain C (or CUDA) that runs the model.")
set(CPACK_PRE_BUILD_SCRIPTS "${CMAKE_CURRENT_LIST_DIR}/MambaDebian.cmake")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libllvm22 (>= 1:22.1)")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "gcc | c-compiler, libc6-dev")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "libmlir-22-dev, llvm-22-dev, libjansson-dev, libutf8proc-dev, libxxhash-dev, cmake, pkg-config")
include(CPack)
