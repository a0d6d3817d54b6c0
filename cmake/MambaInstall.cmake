# cmake --install: see docs/guide.md. Filled in by the libraries' own CMakeLists.txt.
