// The main of mamba-opt: upstream's driver, with three differences. A folder is imported; values
// keep their checkpoint names in what is printed; output files appear whole or not at all.
#include "mamba/import.h"
#include "mamba/output_file.h"
#include "mamba/shim.h"
#include "mamba/version.h"

#include "diagnostics.h"
#include "guess.h"
#include "ir_text.h"
#include "register.h"

#include "mamba/Dialect/MambaDialect.h"
#include "mlir/CAPI/IR.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Support/Timing.h"
#include "mlir/Debug/Counter.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"

#include <map>

using namespace mlir;

namespace {
// Names are name locations, so they are printed unless the user says otherwise.
constexpr StringRef kLocalScope = "mlir-print-local-scope"; // leaves out resources, where reproducers keep the passes
constexpr StringRef kPrintingDefaults[] = {"mlir-print-debuginfo", kLocalScope, "mlir-use-nameloc-as-prefix"};

// LLVM's libraries bring some hundred options of code generators; --help-hidden still lists them. To be
// called before those of this tool are registered.
void hideUnrelatedOptions() {
  for (auto &entry : llvm::cl::getRegisteredOptions())
    if (!entry.first.starts_with("help") && entry.first != "version" && !entry.second->isPositional() &&
        entry.first != "o")
      entry.second->setHiddenFlag(llvm::cl::Hidden);
}

bool isGiven(ArrayRef<const char *> arguments, StringRef option) {
  return llvm::any_of(arguments, [&](StringRef argument) {
    return argument.ltrim('-').split('=').first == option && argument.starts_with("-");
  });
}

// The model in a folder as bytecode, which keeps names and is quick to parse again.
std::unique_ptr<llvm::MemoryBuffer> importFolder(const std::string &path, DialectRegistry &registry,
                                                 MambaError &error) {
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  mambaRegisterAll(wrap(&context));
  MlirModule module;
  if (mambaImport(wrap(&context), path.c_str(), &module, &error) != MAMBA_OK)
    return nullptr;
  OwningOpRef<ModuleOp> owned = unwrap(module);
  std::string bytes;
  llvm::raw_string_ostream stream(bytes);
  if (failed(writeBytecodeToFile(*owned, stream))) {
    mambaFail(&error, MAMBA_INVALID, "%s: the imported module cannot be written as bytecode", path.c_str());
    return nullptr;
  }
  return llvm::MemoryBuffer::getMemBufferCopy(bytes, path);
}

// Shows diagnostics in the source text of a context once the dialect is loaded into it, which is before the first
// of its ops is parsed.
class ShowSource : public DialectExtension<ShowSource, mamba::MambaDialect> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ShowSource)
  explicit ShowSource(const llvm::MemoryBuffer &text)
      : text(llvm::MemoryBuffer::getMemBufferCopy(text.getBuffer(), text.getBufferIdentifier())) {}
  void apply(MLIRContext *context, mamba::MambaDialect *) const override { mamba::showSource(*context, *text); }

private:
  std::shared_ptr<llvm::MemoryBuffer> text; // extensions are copied
};

// Writes beside `path` and renames, or to standard output for "-".
bool writeOutput(const std::string &path, StringRef text, MambaError &error) {
  if (path == "-") {
    llvm::outs() << text;
    llvm::outs().flush();
    return true;
  }
  return mambaOutputFileSave(path.c_str(), text.data(), text.size(), &error) == MAMBA_OK;
}
} // namespace

// Everything that the command line has, registered once.
static void registerOptions(DialectRegistry &registry) {
  hideUnrelatedOptions();
  mamba::registerDialects(registry);
  mamba::registerPasses();
  MlirOptMainConfig::registerCLOptions(registry);
  registerAsmPrinterCLOptions();
  registerMLIRContextCLOptions();
  registerPassManagerCLOptions();
  registerDefaultTimingManagerCLOptions();
  tracing::DebugCounter::registerCLOptions();
}

extern "C" void mambaOptVisitOptions(MambaOptVisitor visit, void *context) {
  DialectRegistry registry;
  registerOptions(registry);
  std::map<std::string, std::pair<std::string, MambaOptKind>> options;
  for (auto &entry : llvm::cl::getRegisteredOptions()) {
    llvm::cl::Option *option = entry.second;
    SmallVector<StringRef, 64> passes;
    option->getExtraOptionNames(passes);
    for (StringRef name : passes) {
      const PassRegistryEntry *pass = PassInfo::lookup(name);
      if (!pass)
        pass = PassPipelineInfo::lookup(name);
      if (pass)
        options[name.str()] = {pass->getPassDescription().str(), MAMBA_OPT_PASS};
    }
    if (option->getOptionHiddenFlag() == llvm::cl::NotHidden && !option->ArgStr.empty())
      options[option->ArgStr.str()] = {option->HelpStr.str(),
                                       option->getValueExpectedFlag() == llvm::cl::ValueRequired ? MAMBA_OPT_VALUE
                                                                                                 : MAMBA_OPT_FLAG};
  }
  for (const auto &[name, option] : options)
    visit(name.c_str(), option.first.c_str(), option.second, context);
}

extern "C" void mambaOptVisitPassOptions(const char *pass, void (*visit)(const char *option, void *context),
                                         void *context) {
  mamba::forEachOption(mamba::spellOptions(pass), [&](StringRef option) { visit(option.str().c_str(), context); });
}

extern "C" int mambaOptMain(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  static llvm::cl::opt<std::string> input(llvm::cl::Positional, llvm::cl::init("-"),
                                          llvm::cl::desc("<model folder, .mlir or bytecode; - for standard input>"));
  static llvm::cl::opt<std::string> output("o", llvm::cl::desc("Output file; - for standard output"),
                                           llvm::cl::value_desc("file"), llvm::cl::init("-"));
  DialectRegistry registry;
  registerOptions(registry);
  llvm::cl::SetVersionPrinter([](llvm::raw_ostream &os) {
    os << "mamba-opt " MAMBA_VERSION " (LLVM " LLVM_VERSION_STRING ")\n";
  });

  SmallVector<const char *> arguments(argv, argv + argc);
  SmallVector<std::string> added;
  const bool reproducer = isGiven(ArrayRef(arguments).drop_front(), "mlir-pass-pipeline-crash-reproducer");
  for (StringRef option : kPrintingDefaults)
    if (!isGiven(ArrayRef(arguments).drop_front(), option) && !(reproducer && option == kLocalScope))
      added.push_back("--" + option.str());
  for (const std::string &option : added)
    arguments.insert(arguments.begin() + 1, option.c_str());

  const char *overview = "mamba-opt: imports a Mamba checkpoint (a folder or a GGUF file) or reads IR, runs passes, prints IR\n\n"
                         "  mamba-opt models/tiny                                 the model, as imported\n"
                         "  mamba-opt models/tiny --mamba-quamba -o tiny.int8.mlir\n"
                         "  mamba-opt tiny.mlir --pass-pipeline='builtin.module(mamba-rotate,cse)'\n";
  if (!llvm::cl::ParseCommandLineOptions(arguments.size(), arguments.data(), overview, &llvm::errs()))
    return 2;

  std::string message;
  MambaError error = {};
  std::unique_ptr<llvm::MemoryBuffer> buffer;
  if (mambaImportIsModel(input.c_str())) {
    buffer = importFolder(input, registry, error);
    message = error.message;
  } else {
    buffer = openInputFile(input, &message);
    if (buffer && !mamba::checkText(*buffer, message))
      buffer.reset();
  }
  if (!buffer) {
    llvm::errs() << "mamba-opt: error: " << message << "\n";
    return 1;
  }
  const MlirOptMainConfig config = MlirOptMainConfig::createFromCLOptions();
  if (!config.shouldVerifyDiagnostics() && config.inputSplitMarker().empty())
    registry.addExtension(TypeID::get<ShowSource>(), std::make_unique<ShowSource>(*buffer));
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (failed(MlirOptMain(stream, std::move(buffer), registry, config))) {
    for (StringRef argument : ArrayRef(argv, argc).drop_front())
      if (argument.ltrim('-').consume_front("pass-pipeline="))
        mamba::guessPass(argument.split('=').second);
    return 1;
  }
  if (!writeOutput(output, text, error)) {
    llvm::errs() << "mamba-opt: error: " << error.message << "\n";
    return 1;
  }
  return 0;
}
