# Installs into WORK/prefix, uses the installed tools, and builds against the installed package: consumer/ and
# docs/example-pass by CMake, the latter by pkg-config too.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE text ERROR_VARIABLE text)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${ARGN}\nexit ${code}\n${text}")
  endif()
  set(text "${text}" PARENT_SCOPE)
endfunction()

# expect(REGEX): of what run() printed last
function(expect regex)
  if(NOT text MATCHES "${regex}")
    message(FATAL_ERROR "expected ${regex}, found: ${text}")
  endif()
endfunction()
function(build source folder)
  run("${CMAKE_COMMAND}" -S "${source}" -B "${folder}" -G Ninja "-DCMAKE_PREFIX_PATH=${WORK}/prefix"
      "-DCMAKE_CXX_COMPILER=${CXX}" "-DCMAKE_C_COMPILER=${C}" "-DCMAKE_C_FLAGS=${FLAGS}" "-DCMAKE_CXX_FLAGS=${FLAGS}")
  run("${CMAKE_COMMAND}" --build "${folder}")
endfunction()

file(REMOVE_RECURSE "${WORK}")
run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${WORK}/prefix")
set(bin "${WORK}/prefix/bin")
set(share "${WORK}/prefix/share")

# /usr/include is shared: nothing there but what bears the name.
file(GLOB names RELATIVE "${WORK}/prefix/include" "${WORK}/prefix/include/*")
if(NOT names STREQUAL "mamba")
  message(FATAL_ERROR "expected only mamba/ in include/, found ${names}")
endif()

# The tools need nothing of the source tree: a bundle's kernels come from the executable.
run("${bin}/mamba-opt" --version)
run("${bin}/mamba-compile" "${MODEL}" -o "${WORK}/bundle" --quiet --recipe=static --samples=1 --length=8)
if(NOT EXISTS "${WORK}/bundle/mamba_kernels.h" OR NOT EXISTS "${WORK}/bundle/weights.bin")
  message(FATAL_ERROR "expected a bundle with kernels and weights in ${WORK}/bundle")
endif()

build("${SOURCE}" "${WORK}/build")
run("${WORK}/build/consumer" "${MODEL}")
expect("^12 scans\n")
build("${EXAMPLE}" "${WORK}/example")
run("${WORK}/example/limit-gates" "${MODEL}")
expect("mamba.clamp .* to 8.0")

set(ENV{PKG_CONFIG_PATH} "${WORK}/prefix/lib/pkgconfig:${WORK}/prefix/lib64/pkgconfig")
find_program(pkg_config pkg-config REQUIRED)
run("${pkg_config}" --cflags --libs mamba-opt)
separate_arguments(flags UNIX_COMMAND "${text} ${FLAGS}")
run("${C}" -std=c11 "${EXAMPLE}/limit_gates.c" -o "${WORK}/limit-gates" ${flags})
run("${WORK}/limit-gates" "${MODEL}")
expect("mamba.clamp .* to 8.0")

# Pages know every option.
find_program(groff groff)
foreach(tool_option mamba-opt:mamba-quamba mamba-compile:keep-ir mamba-run:top-k)
  string(REGEX MATCH "^(.*):(.*)$" matched "${tool_option}")
  if(groff)
    run("${groff}" -man -ww -Tutf8 -P-cbou "${share}/man/man1/${CMAKE_MATCH_1}.1")
    expect("SYNOPSIS.*${CMAKE_MATCH_2}")
  endif()
endforeach()

# Completions, in the shells that are there.
foreach(shell bash zsh fish)
  find_program(${shell} ${shell})
  if(${shell})
    run(python3 "${CMAKE_CURRENT_LIST_DIR}/complete.py" ${shell} "${WORK}/prefix" "${WORK}/${shell}")
  else()
    message("skipped: completion in ${shell}, which is not installed")
  endif()
endforeach()
