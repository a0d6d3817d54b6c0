#include "ir_text.h"

#include "mlir/Bytecode/BytecodeReader.h"
#include "llvm/ADT/StringExtras.h"

using llvm::StringRef;

// Behind the quote of a string that begins at `at`, or the end of its line, which ends it.
static size_t skipString(StringRef text, size_t at) {
  for (at++; at < text.size() && text[at] != '"' && text[at] != '\n'; at++)
    at += text[at] == '\\';
  return at;
}

bool mamba::checkText(const llvm::MemoryBuffer &buffer, std::string &message) {
  enum { MOST = 1000 };
  const StringRef text = buffer.getBuffer();
  const char *wrong = nullptr;
  size_t depth = 0, digits = 0, at = 0;
  if (mlir::isBytecode(buffer.getMemBufferRef()))
    return true;
  for (; at < text.size() && !wrong; at++) {
    const char c = text[at];
    digits = llvm::isDigit(c) ? digits + 1 : 0;
    if (c == '"')
      at = skipString(text, at);
    else if (text.substr(at).starts_with("//"))
      at = std::min(text.find('\n', at), text.size());
    else if (text.substr(at).starts_with("->"))
      at++;
    else if (StringRef("([{<").contains(c))
      depth++;
    else if (StringRef(")]}>").contains(c))
      depth -= depth > 0;
    wrong = depth > MOST    ? "expected brackets at most 1000 deep"
            : digits > MOST ? "expected numbers of at most 1000 digits"
            : c == '\0'     ? "expected text or bytecode, found a zero byte"
                            : nullptr;
  }
  if (wrong)
    message =
        (buffer.getBufferIdentifier() + ":" + llvm::Twine(text.take_front(at).count('\n') + 1) + ": " + wrong)
            .str();
  return !wrong;
}
