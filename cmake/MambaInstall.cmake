# cmake --install: the tools, the libraries and headers with a package configuration, the kernels' sources
# (what bundles are made of, to read and to build by hand) and the pages.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/MambaOpt")
configure_package_config_file(cmake/MambaOptConfig.cmake.in "${PROJECT_BINARY_DIR}/MambaOptConfig.cmake"
  INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/MambaOptConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/MambaOptConfig.cmake" "${PROJECT_BINARY_DIR}/MambaOptConfigVersion.cmake"
  DESTINATION "${package_dir}")
install(EXPORT MambaOptTargets NAMESPACE MambaOpt:: DESTINATION "${package_dir}")

get_property(MAMBA_PC_LIBRARIES GLOBAL PROPERTY MAMBA_LIBRARIES)
list(JOIN MAMBA_PC_LIBRARIES " " MAMBA_PC_LIBRARIES)
file(RELATIVE_PATH MAMBA_PC_PREFIX "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
configure_file(cmake/mamba-opt.pc.in "${PROJECT_BINARY_DIR}/mamba-opt.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/mamba-opt.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

install(DIRECTORY include/mamba DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h" PATTERN "*.td" PATTERN "*.def")
install(DIRECTORY "${PROJECT_BINARY_DIR}/include/mamba" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.h" PATTERN "*.inc")
# The headers of kernels/ that those above include.
install(FILES kernels/half.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/mamba/kernels")
install(FILES kernels/text/tokenizer.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/mamba/kernels/text")
install(DIRECTORY kernels/ DESTINATION "${CMAKE_INSTALL_DATADIR}/mamba-opt/kernels" PATTERN "CMakeLists.txt" EXCLUDE)
install(DIRECTORY docs/ DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(FILES README.md LICENSE CHANGELOG.md DESTINATION "${CMAKE_INSTALL_DOCDIR}")
