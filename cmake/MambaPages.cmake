# Manual pages, which every tool writes from its own table of options, and shell completions, which ask the tool.
# As a script, writes one page:
#   cmake -DTOOL=build/bin/mamba-run -DOUTPUT=mamba-run.1 -P MambaPages.cmake
if(CMAKE_SCRIPT_MODE_FILE)
  set(ENV{ASAN_OPTIONS} detect_leaks=0:detect_odr_violation=0) # LLVM's libraries are not instrumented
  execute_process(COMMAND "${TOOL}" --man OUTPUT_VARIABLE page COMMAND_ERROR_IS_FATAL ANY)
  file(WRITE "${OUTPUT}" "${page}")
  return()
endif()

set(pages)
foreach(tool mamba-opt mamba-compile mamba-run mamba-lsp-server)
  set(output "${PROJECT_BINARY_DIR}/share/man/man1/${tool}.1")
  add_custom_command(OUTPUT "${output}"
    COMMAND "${CMAKE_COMMAND}" "-DTOOL=$<TARGET_FILE:${tool}>" "-DOUTPUT=${output}"
            -P "${PROJECT_SOURCE_DIR}/cmake/MambaPages.cmake"
    DEPENDS ${tool} "${PROJECT_SOURCE_DIR}/cmake/MambaPages.cmake" VERBATIM)
  install(FILES "${output}" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")
  list(APPEND pages "${output}")
endforeach()
add_custom_target(MambaPages ALL DEPENDS ${pages})

function(mamba_completion tool shell file)
  set(output "${PROJECT_BINARY_DIR}/share/${shell}/${file}")
  configure_file(cmake/completion/tool.${shell}.in "${output}" @ONLY)
  install(FILES "${output}" DESTINATION "${CMAKE_INSTALL_DATADIR}/${ARGN}")
endfunction()
foreach(tool mamba-opt mamba-compile mamba-run)
  mamba_completion(${tool} bash ${tool} bash-completion/completions)
  mamba_completion(${tool} zsh _${tool} zsh/site-functions)
  mamba_completion(${tool} fish ${tool}.fish fish/vendor_completions.d)
endforeach()
