#include "predictor.h"

MambaStatus predictorCreate(const Model *model, int64_t batch, int64_t threads, Predictor *predictor,
                            MambaError *error) {
  MambaStatus status;
  if (modelIsBundle(model)) {
    status = bundleProcessStart(model->path, threads, &predictor->process, error);
    if (!status)
      predictor->predictor = bundleProcessPredictor(predictor->process);
  } else {
    status = modelExecutor(model, batch, threads, &predictor->executor, error);
    if (!status)
      predictor->predictor = mambaPredictorOfExecutor(predictor->executor);
  }
  return status;
}

MambaComparable predictorComparable(const Predictor *predictor) {
  return predictor->process ? bundleProcessComparable(predictor->process)
                            : mambaComparableExecutor(predictor->executor);
}

void predictorDestroy(Predictor *predictor) {
  bundleProcessEnd(predictor->process);
  mambaExecutorDestroy(predictor->executor);
}
