#include "guess.h"

#include "mamba/suggest.h"

#include "mlir/Pass/PassRegistry.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/CommandLine.h"

using namespace mlir;

// The words that are at no depth of braces or quotes, up to their "=".
void mamba::forEachOption(StringRef text, function_ref<void(StringRef)> visit) {
  if (text.consume_front("{"))
    text.consume_back("}");
  int depth = 0;
  bool quoted = false, in_key = false;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); i++) {
    const char c = i < text.size() ? text[i] : ' ';
    const bool name = llvm::isAlnum(c) || c == '-' || c == '_';
    if (in_key && !name) {
      visit(text.slice(begin, i));
      in_key = false;
    } else if (name && !depth && !quoted && (i == 0 || text[i - 1] == ' ')) {
      begin = i;
      in_key = true;
    }
    quoted ^= c == '\'' || c == '"';
    depth += !quoted && (c == '{' || c == '(') ? 1 : !quoted && (c == '}' || c == ')') ? -1 : 0;
  }
}

bool mamba::guessOption(StringRef given, StringRef known, function_ref<LogicalResult(const Twine &)> fail) {
  llvm::StringSet<> names;
  forEachOption(known, [&](StringRef key) { names.insert(key); });
  std::string unknown;
  forEachOption(given,
             [&](StringRef key) { unknown = unknown.empty() && !names.contains(key) ? key.str() : unknown; });
  if (unknown.empty())
    return false;
  MambaSuggestion suggestion = mambaSuggestFor(unknown.data(), unknown.size());
  for (StringRef name : names.keys())
    mambaSuggestConsider(&suggestion, name.data(), name.size());
  if (suggestion.nearest)
    (void)fail("no option '" + unknown + "'; did you mean '" +
               StringRef(suggestion.nearest, suggestion.nearest_length) + "'?");
  return true;
}

// MLIR's registry does not list its entries, but the command line has an option for each.
static void considerPasses(MambaSuggestion &suggestion) {
  for (auto &entry : llvm::cl::getRegisteredOptions()) {
    SmallVector<StringRef, 64> names;
    entry.second->getExtraOptionNames(names);
    for (StringRef name : names)
      if (PassInfo::lookup(name) || PassPipelineInfo::lookup(name))
        mambaSuggestConsider(&suggestion, name.data(), name.size());
  }
}

void mamba::guessPass(StringRef pipeline) {
  int depth = 0; /* of braces, in which options are */
  for (size_t i = 0; i < pipeline.size(); i++) {
    depth += pipeline[i] == '{' ? 1 : pipeline[i] == '}' ? -1 : 0;
    const StringRef name = pipeline.substr(i).take_while(
        [](char c) { return llvm::isAlnum(c) || c == '-' || c == '_' || c == '.'; });
    if (depth || name.empty())
      continue;
    i += name.size() - 1;
    const bool anchor = pipeline.substr(i + 1).starts_with("("); /* the op that passes run on */
    if (anchor || PassInfo::lookup(name) || PassPipelineInfo::lookup(name))
      continue;
    MambaSuggestion suggestion = mambaSuggestFor(name.data(), name.size());
    considerPasses(suggestion);
    if (suggestion.nearest)
      llvm::errs() << "mamba-opt: note: did you mean '"
                   << StringRef(suggestion.nearest, suggestion.nearest_length) << "' instead of '" << name
                   << "'?\n";
    return;
  }
}
