# Run by cpack on what it has installed to pack: what Debian's policy wants of a package beyond the files of
# cmake --install.
set(share "${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share")
set(doc "${share}/doc/${CPACK_PACKAGE_NAME}")
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC) # that of SOURCE_DATE_EPOCH where it is set

file(WRITE "${doc}/copyright" "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: ${CPACK_PACKAGE_NAME}

Files: *
Copyright: 2026 the authors of ${CPACK_PACKAGE_NAME}
License: Apache-2.0
 On Debian systems the text of the license is in /usr/share/common-licenses/Apache-2.0.
")
file(WRITE "${doc}/changelog" "${CPACK_PACKAGE_NAME} (${CPACK_PACKAGE_VERSION}) unstable; urgency=medium

  * See CHANGELOG.md in this folder.

 -- ${CPACK_PACKAGE_CONTACT}  ${date}
")
file(WRITE "${share}/lintian/overrides/${CPACK_PACKAGE_NAME}" "# LLVM's libraries lie in a folder of their own.
${CPACK_PACKAGE_NAME}: custom-library-search-path RUNPATH /usr/lib/llvm-* *
# The libraries are static, for any compiler that finds them by its own prefix.
${CPACK_PACKAGE_NAME}: pkg-config-unavailable-for-cross-compilation *
")
file(GLOB pages "${share}/man/man1/*.1")
execute_process(COMMAND gzip -9nf "${doc}/changelog" ${pages} COMMAND_ERROR_IS_FATAL ANY)
