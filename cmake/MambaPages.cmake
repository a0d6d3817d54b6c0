# Manual pages and shell completions, which every tool writes from its own table of options. As a script, writes one:
#   cmake -DTOOL=build/bin/mamba-run -DOPTION=--man -DOUTPUT=mamba-run.1 -P MambaPages.cmake
if(CMAKE_SCRIPT_MODE_FILE)
  set(ENV{ASAN_OPTIONS} detect_leaks=0:detect_odr_violation=0) # LLVM's libraries are not instrumented
  execute_process(COMMAND "${TOOL}" "${OPTION}" OUTPUT_VARIABLE page COMMAND_ERROR_IS_FATAL ANY)
  file(WRITE "${OUTPUT}" "${page}")
  return()
endif()

set(pages)
function(mamba_page tool option file destination)
  set(output "${PROJECT_BINARY_DIR}/share/${destination}/${file}")
  add_custom_command(OUTPUT "${output}"
    COMMAND "${CMAKE_COMMAND}" "-DTOOL=$<TARGET_FILE:${tool}>" "-DOPTION=${option}" "-DOUTPUT=${output}"
            -P "${PROJECT_SOURCE_DIR}/cmake/MambaPages.cmake"
    DEPENDS ${tool} "${PROJECT_SOURCE_DIR}/cmake/MambaPages.cmake" VERBATIM)
  install(FILES "${output}" DESTINATION "${CMAKE_INSTALL_DATADIR}/${destination}")
  set(pages ${pages} "${output}" PARENT_SCOPE)
endfunction()

foreach(tool mamba-opt mamba-compile mamba-run mamba-lsp-server)
  mamba_page(${tool} --man ${tool}.1 man/man1)
  mamba_page(${tool} --completion=bash ${tool} bash-completion/completions)
  mamba_page(${tool} --completion=zsh _${tool} zsh/site-functions)
  mamba_page(${tool} --completion=fish ${tool}.fish fish/vendor_completions.d)
endforeach()
add_custom_target(MambaPages ALL DEPENDS ${pages})
