// MLIR passes around the C functions of mamba/passes.h, and the recipes as named pipelines.
#include "mamba/passes.h"

#include "mamba/shim.h"

#include "guess.h"
#include "register.h"

#include "mamba/Dialect/MambaDialect.h"
#include "mlir/CAPI/IR.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

#include <mutex>

namespace mamba {
#define GEN_PASS_DECL
#define GEN_PASS_DEF_CALIBRATE
#define GEN_PASS_DEF_SEARCH
#define GEN_PASS_DEF_RULES
#define GEN_PASS_DEF_REPORTOUTLIERS
#define GEN_PASS_DEF_FOLDNORM
#define GEN_PASS_DEF_ROTATE
#define GEN_PASS_DEF_FOLDHADAMARD
#define GEN_PASS_DEF_GPTQ
#define GEN_PASS_DEF_CLAMPSCAN
#define GEN_PASS_DEF_SMOOTH
#define GEN_PASS_DEF_INSERTQDQ
#define GEN_PASS_DEF_FUSEKERNELS
#define GEN_PASS_DEF_MATERIALIZE
#define GEN_PASS_DEF_PLAN
#include "mamba/Passes.h.inc"
} // namespace mamba

using namespace mlir;

// One wrapper: `call` is the C function applied to the module and the options.
#define MAMBA_PASS(Name, call)                                                                     \
  struct Name : mamba::impl::Name##Base<Name> {                                                    \
    using Name##Base::Name##Base;                                                                  \
    LogicalResult initializeOptions(StringRef text, ErrorHandler fail) override {                  \
      return succeeded(Name##Base::initializeOptions(text, fail)) ? success()                      \
                                                                  : refuseOptions(*this, text, fail); \
    }                                                                                              \
    void runOnOperation() override {                                                               \
      MlirOperation module = wrap(getOperation().getOperation());                                  \
      if (!(call))                                                                                 \
        signalPassFailure();                                                                       \
    }                                                                                              \
  };

namespace {
using ErrorHandler = function_ref<LogicalResult(const Twine &)>;

// The options of a pass with their values, "{a=1 b=2}".
std::string spellOptions(Pass &pass) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  pass.printAsTextualPipeline(stream);
  return StringRef(text).drop_until([](char c) { return c == '{'; }).str();
}

// MLIR has told that the options are wrong.
LogicalResult refuseOptions(Pass &pass, StringRef text, ErrorHandler fail) {
  mamba::guessOption(text, spellOptions(pass), fail);
  return failure();
}

template <typename Options, typename... Values> bool run(bool (*pass)(MlirOperation, const Options *),
                                                         MlirOperation module, Values... values) {
  const Options options = {values...};
  return pass(module, &options);
}

bool search(MlirOperation module, MambaCalibrateOptions text, double tolerance, const char *budget,
            const char *head, const char *target) {
  const MambaSearchOptions options = {text, tolerance, budget, head, target};
  return mambaPassSearch(module, &options);
}
} // namespace

namespace mamba {
MAMBA_PASS(Calibrate, ::run(mambaPassCalibrate, module, calibration.getValue().c_str(), samples.getValue(),
                            length.getValue(), seed.getValue(), statistics.getValue().c_str(), part.getValue().c_str()))
MAMBA_PASS(Search, ::search(module, {calibration.getValue().c_str(), samples.getValue(), length.getValue(),
                                     seed.getValue(), "", "1/1"},
                            tolerance.getValue(), budget.getValue().c_str(), head.getValue().c_str(),
                            target.getValue().c_str()))
MAMBA_PASS(Rules, ::run(mambaPassRules, module, file.getValue().c_str()))
MAMBA_PASS(ReportOutliers, ::run(mambaPassReportOutliers, module, json.getValue().c_str(),
                                 text.getValue().c_str(), sigmas.getValue()))
MAMBA_PASS(FoldNorm, mambaPassFoldNorm(module))
MAMBA_PASS(Rotate, ::run(mambaPassRotate, module, sites.getValue().c_str()))
MAMBA_PASS(FoldHadamard, mambaPassFoldHadamard(module))
MAMBA_PASS(Gptq, ::run(mambaPassGptq, module, sites.getValue().c_str(), group.getValue().c_str(),
                       MambaCalibrateOptions{calibration.getValue().c_str(), samples.getValue(), length.getValue(),
                                             seed.getValue(), "", "1/1"},
                       damp.getValue(), memory.getValue(), output.getValue().c_str()))
MAMBA_PASS(ClampScan, ::run(mambaPassClampScan, module, percentile.getValue()))
MAMBA_PASS(Smooth, ::run(mambaPassSmooth, module, sites.getValue().c_str(), strength.getValue()))
MAMBA_PASS(InsertQdq, ::run(mambaPassInsertQdq, module, weights.getValue().c_str(), sites.getValue().c_str(),
                            state.getValue().c_str()))
MAMBA_PASS(FuseKernels, mambaPassFuseKernels(module))
MAMBA_PASS(Materialize, ::run(mambaPassMaterialize, module, output.getValue().c_str()))
MAMBA_PASS(Plan, ::run(mambaPassPlan, module, target.getValue().c_str(), decode.getValue().c_str(),
                         layout.getValue().c_str(), tokens.getValue(), threads.getValue()))

#define GEN_PASS_REGISTRATION
#include "mamba/Passes.h.inc"

// The options of every recipe, with the same names and defaults as those of the passes.
struct RecipeOptions : PassPipelineOptions<RecipeOptions> {
  MambaPipelineOptions defaults = mambaPipelineDefaults();
  Option<std::string> calibration{*this, "calibration", llvm::cl::desc("see mamba-calibrate"),
                                  llvm::cl::init(defaults.calibrate.calibration)};
  Option<int64_t> samples{*this, "samples", llvm::cl::desc("see mamba-calibrate"),
                          llvm::cl::init(defaults.calibrate.samples)};
  Option<int64_t> length{*this, "length", llvm::cl::desc("see mamba-calibrate"),
                         llvm::cl::init(defaults.calibrate.length)};
  Option<int64_t> seed{*this, "seed", llvm::cl::desc("see mamba-calibrate"),
                       llvm::cl::init(defaults.calibrate.seed)};
  Option<std::string> statistics{*this, "statistics", llvm::cl::desc("see mamba-calibrate"),
                                 llvm::cl::init(defaults.calibrate.statistics)};
  Option<double> percentile{*this, "percentile", llvm::cl::desc("see mamba-clamp-scan; 0 for the recipe's own"),
                            llvm::cl::init(defaults.percentile)};
  Option<std::string> rules{*this, "rules", llvm::cl::desc("file of mamba-rules; empty for none"),
                            llvm::cl::init(defaults.rules)};
  Option<std::string> budget{*this, "budget", llvm::cl::desc("see mamba-search; of the recipe best"),
                             llvm::cl::init(defaults.budget)};
  Option<std::string> target{*this, "target", llvm::cl::desc("of the recipe best: what the program will run on, see mamba-plan"),
                             llvm::cl::init(defaults.target)};
  Option<std::string> report{*this, "report", llvm::cl::desc("JSON of mamba-report-outliers after calibration"),
                             llvm::cl::init(defaults.report)};
  Option<std::string> head{*this, "head",
                           llvm::cl::desc("lm_head: token (int8, its input rotated, a scale per token), w8 (int8, its "
                                          "input in f32) or 16 (bits, as stored); empty for the recipe's own"),
                           llvm::cl::init(defaults.head)};
  Option<std::string> group{*this, "group", llvm::cl::desc("see mamba-gptq; empty for its own"),
                            llvm::cl::init(defaults.group)};
  Option<std::string> state{*this, "state", llvm::cl::desc("of the scans: f32 (the default) or i8"),
                            llvm::cl::init(defaults.state)};
  Option<std::string> output{*this, "output",
                             llvm::cl::desc("see mamba-materialize; without it weights stay expressions"),
                             llvm::cl::init(defaults.output)};
};

static std::string spellRecipeOptions() {
  std::string text;
  llvm::raw_string_ostream stream(text);
  RecipeOptions().print(stream);
  return text;
}

static LogicalResult buildRecipe(const char *name, OpPassManager &manager, StringRef text,
                                 function_ref<LogicalResult(const Twine &)> fail) {
  RecipeOptions given;
  if (failed(given.parseFromString(text))) {
    guessOption(text, spellRecipeOptions(), fail);
    return failure();
  }
  const MambaPipelineOptions options = {
      {given.calibration.getValue().c_str(), given.samples, given.length, given.seed,
       given.statistics.getValue().c_str(), given.defaults.calibrate.part},
      given.percentile,
      given.rules.getValue().c_str(),
      given.budget.getValue().c_str(),
      given.target.getValue().c_str(),
      given.report.getValue().c_str(),
      given.head.getValue().c_str(),
      given.group.getValue().c_str(),
      given.state.getValue().c_str(),
      given.output.getValue().c_str(),
      given.defaults.is_searched};
  char spec[4096];
  MambaError error;
  if (mambaPipelineSpec(name, &options, spec, sizeof spec, &error) != MAMBA_OK)
    return fail(error.message);
  return parsePassPipeline(spec, manager);
}

std::string spellOptions(StringRef name) {
  if (const PassInfo *pass = PassInfo::lookup(name)) {
    OpPassManager manager(OpPassManager::Nesting::Implicit);
    if (failed(pass->addToPipeline(manager, "", [](const Twine &) { return failure(); })))
      return "";
    return ::spellOptions(*manager.begin());
  }
  return PassPipelineInfo::lookup(name) ? spellRecipeOptions() : ""; // there are no other pipelines
}

void registerDialects(DialectRegistry &registry) {
  registry.insert<MambaDialect, func::FuncDialect>();
}

void registerPasses() {
  static std::once_flag once;
  std::call_once(once, [] {
    registerMambaPasses();
    registerTransformsPasses();
    for (const MambaRecipe *recipe = kMambaRecipes; recipe->name; recipe++) {
      const char *name = recipe->name;
      registerPassPipeline(
          (Twine("mamba-") + name).str(), recipe->summary,
          [name](OpPassManager &manager, StringRef text, function_ref<LogicalResult(const Twine &)> fail) {
            return buildRecipe(name, manager, text, fail);
          },
          [](function_ref<void(const mlir::detail::PassOptions &)> handle) { handle(RecipeOptions()); });
    }
  });
}
} // namespace mamba

extern "C" void mambaRegisterAll(MlirContext context) {
  DialectRegistry registry;
  mamba::registerDialects(registry);
  MLIRContext *cxx = unwrap(context);
  cxx->appendDialectRegistry(registry);
  cxx->loadAllAvailableDialects();
  mamba::registerPasses();
}
