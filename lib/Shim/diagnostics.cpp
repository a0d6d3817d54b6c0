// In IR that our tools print, locations are checkpoint names, and MLIR's own handler knows no line for them.
// But the text has them, printed at the end of their op's line, and that is where they are found here. What
// is not in a text, as in an imported model, is told with the file's name and its own.
#include "diagnostics.h"
#include "ir_text.h"

#include "mamba/shim.h"

#include "mlir/Bytecode/BytecodeReader.h"
#include "mlir/CAPI/IR.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;

static llvm::SourceMgr::DiagKind kindOf(const Diagnostic &diagnostic) {
  switch (diagnostic.getSeverity()) {
  case DiagnosticSeverity::Note:
    return llvm::SourceMgr::DK_Note;
  case DiagnosticSeverity::Warning:
    return llvm::SourceMgr::DK_Warning;
  case DiagnosticSeverity::Error:
    return llvm::SourceMgr::DK_Error;
  case DiagnosticSeverity::Remark:
    return llvm::SourceMgr::DK_Remark;
  }
  llvm_unreachable("not a severity");
}

static bool isOperation(const Diagnostic &note) {
  return StringRef(note.str()).starts_with("see current operation");
}

namespace {
class Source {
public:
  explicit Source(std::unique_ptr<llvm::MemoryBuffer> text)
      : text(text->getBuffer()), name(text->getBufferIdentifier()) {
    manager.AddNewSourceBuffer(std::move(text), llvm::SMLoc());
  }

  LogicalResult show(Diagnostic &diagnostic) const {
    const std::string message = diagnostic.str();
    const llvm::SMLoc place = find(diagnostic.getLocation(), message);
    if (!place.isValid())
      return failure();
    manager.PrintMessage(llvm::errs(), place, kindOf(diagnostic), message);
    for (Diagnostic &note : diagnostic.getNotes()) {
      const std::string hint = note.str();
      if (isOperation(note)) /* it is the line above */
        continue;
      const bool elsewhere = note.getLocation() != diagnostic.getLocation();
      const llvm::SMLoc at = elsewhere ? find(note.getLocation(), hint) : llvm::SMLoc();
      const llvm::SMDiagnostic full = manager.GetMessage(at.isValid() ? at : place, kindOf(note), hint);
      if (at.isValid())
        full.print(nullptr, llvm::errs());
      else /* without column, and so without the line, which was shown already */
        llvm::SMDiagnostic(manager, place, name, full.getLineNo(), -1, kindOf(note), hint, "", {}, {})
            .print(nullptr, llvm::errs());
    }
    return success();
  }

private:
  llvm::SMLoc find(Location location, StringRef message) const {
    if (auto place = location->findInstanceOf<FileLineColLoc>())
      return place.getFilename() == name
                 ? manager.FindLocForLineAndColumn(1, place.getLine(), place.getColumn())
                 : llvm::SMLoc();
    if (isa<UnknownLoc>(location))
      return {};
    std::string printed;
    llvm::raw_string_ostream(printed) << location;
    return findPrinted(printed, message);
  }

  // Ops made from one value may share its name: the one that the message begins with ('mamba.linear' op ...)
  // comes first.
  llvm::SMLoc findPrinted(StringRef printed, StringRef message) const {
    const StringRef op = message.starts_with("'") ? message.drop_front().split('\'').first : "";
    StringRef found;
    for (StringRef rest = text; !rest.empty();) {
      StringRef line;
      std::tie(line, rest) = rest.split('\n');
      if (!line.contains(printed))
        continue;
      if (line.starts_with("#")) /* an alias: "#loc3 = loc(...)" */
        return findPrinted(("loc(" + line.split(' ').first + ")").str(), message);
      if (line.contains(op))
        return pointTo(line);
      found = found.empty() ? line : found;
    }
    return found.empty() ? llvm::SMLoc() : pointTo(found);
  }

  static llvm::SMLoc pointTo(StringRef line) { return llvm::SMLoc::getFromPointer(line.ltrim().data()); }

  StringRef text, name;            // of the buffer in `manager`
  mutable llvm::SourceMgr manager; // caches the line numbers
};
} // namespace

// "FILE: error: NAME: MESSAGE"; of the whole module without a name. Fails where the location is no name.
static LogicalResult showName(StringRef file, Diagnostic &diagnostic) {
  const auto location = diagnostic.getLocation()->findInstanceOf<NameLoc>();
  if (!location || diagnostic.getLocation()->findInstanceOf<FileLineColLoc>())
    return failure();
  const StringRef name = location.getName();
  const std::string message = (name == "model" ? "" : name.str() + ": ") + diagnostic.str();
  llvm::SMDiagnostic(file, kindOf(diagnostic), message).print(nullptr, llvm::errs());
  for (Diagnostic &note : diagnostic.getNotes())
    if (!isOperation(note))
      llvm::SMDiagnostic(file, kindOf(note), note.str()).print(nullptr, llvm::errs());
  return success();
}

void mamba::showSource(MLIRContext &context, const llvm::MemoryBuffer &text) {
  const StringRef file = text.getBufferIdentifier();
  mambaShowNames(wrap(&context), file.str().c_str());
  if (isBytecode(text.getMemBufferRef()))
    return;
  auto copy = llvm::MemoryBuffer::getMemBufferCopy(text.getBuffer(), file);
  context.getDiagEngine().registerHandler([source = std::make_shared<Source>(std::move(copy))](
                                              Diagnostic &diagnostic) { return source->show(diagnostic); });
}

extern "C" void mambaShowNames(MlirContext context, const char *file) {
  unwrap(context)->getDiagEngine().registerHandler(
      [name = std::string(file)](Diagnostic &diagnostic) { return showName(name, diagnostic); });
}

extern "C" MlirModule mambaParseFile(MlirContext context, const char *path) {
  std::string message;
  std::unique_ptr<llvm::MemoryBuffer> text = openInputFile(path, &message);
  if (!text || !mamba::checkText(*text, message)) {
    emitError(UnknownLoc::get(unwrap(context))) << message;
    return MlirModule{nullptr};
  }
  mamba::showSource(*unwrap(context), *text);
  llvm::SourceMgr manager;
  manager.AddNewSourceBuffer(std::move(text), llvm::SMLoc());
  return wrap(parseSourceFile<ModuleOp>(manager, ParserConfig(unwrap(context))).release());
}
