# The lit suite: IR tests with FileCheck, and command-line tests of the tools.
import os

import lit.formats

config.name = "mamba-opt"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "CMakeLists.txt"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.binary_dir, "test", "lit")

for folder in [config.tools_dir, config.llvm_tools_dir]:
    config.environment["PATH"] = folder + os.pathsep + config.environment.get("PATH", "")
config.environment["PATH"] = os.pathsep.join([config.tools_dir, config.llvm_tools_dir, os.environ["PATH"]])
# Sanitized tools load uninstrumented LLVM libraries: leaks and ODR reports there are not ours.
config.environment["ASAN_OPTIONS"] = "detect_leaks=0:detect_odr_violation=0"

config.substitutions.append(("%tiny", os.path.join(config.source_dir, "models", "tiny")))
config.substitutions.append(("%source", config.source_dir))
config.substitutions.append(("%data", config.test_data))
if os.path.isdir(config.test_data):
    config.available_features.add("test-data")
