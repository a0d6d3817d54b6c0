#include "cublas.h"

#include "check.h"

#if __has_include(<cublasLt.h>)
#include <cublasLt.h>

#include <algorithm>
#include <vector>

#define CHECK_LT(call)                                                                                       \
  do {                                                                                                       \
    const cublasStatus_t lt_status = (call);                                                                 \
    if (lt_status != CUBLAS_STATUS_SUCCESS) {                                                                \
      fprintf(stderr, "%s:%d: %s: cublas status %d\n", __FILE__, __LINE__, #call, (int)lt_status);           \
      exit(1);                                                                                               \
    }                                                                                                        \
  } while (0)

double cublas_seconds(int32_t rows, int32_t n, int32_t k) {
  const size_t workspace_bytes = 64 << 20, beyond_cache = 256 << 20;
  const int most_algorithms = 6, warm_up = 3, repeats = 10;
  const int copies = (int)std::max<size_t>(1, beyond_cache / ((size_t)n * k));
  static cublasLtHandle_t handle;
  if (!handle)
    CHECK_LT(cublasLtCreate(&handle));
  void *x, *w, *out, *workspace;
  CHECK(cudaMalloc(&x, (size_t)rows * k));
  CHECK(cudaMalloc(&w, (size_t)n * k * copies));
  CHECK(cudaMalloc(&out, (size_t)rows * n * sizeof(int32_t)));
  CHECK(cudaMalloc(&workspace, workspace_bytes));
  /* Random: constant operands are multiplied faster. */
  std::vector<int8_t> random((size_t)std::max(rows, n) * k);
  uint32_t seed = 1;
  for (int8_t &value : random)
    value = (int8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
  CHECK(cudaMemcpy(x, random.data(), (size_t)rows * k, cudaMemcpyHostToDevice));
  for (int c = 0; c < copies; ++c)
    CHECK(cudaMemcpy((int8_t *)w + (size_t)c * n * k, random.data(), (size_t)n * k, cudaMemcpyHostToDevice));

  /* Column-major in its words: out^T [n, rows] = w [k, n]^T x^T [k, rows]. */
  const cublasOperation_t transposed = CUBLAS_OP_T;
  cublasLtMatmulDesc_t operation;
  cublasLtMatrixLayout_t w_layout, x_layout, out_layout;
  cublasLtMatmulPreference_t preference;
  CHECK_LT(cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32I, CUDA_R_32I));
  CHECK_LT(
      cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed));
  CHECK_LT(cublasLtMatrixLayoutCreate(&w_layout, CUDA_R_8I, k, n, k));
  CHECK_LT(cublasLtMatrixLayoutCreate(&x_layout, CUDA_R_8I, k, rows, k));
  CHECK_LT(cublasLtMatrixLayoutCreate(&out_layout, CUDA_R_32I, n, rows, n));
  CHECK_LT(cublasLtMatmulPreferenceCreate(&preference));
  CHECK_LT(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                &workspace_bytes, sizeof workspace_bytes));
  cublasLtMatmulHeuristicResult_t found[most_algorithms];
  int count = 0;
  CHECK_LT(cublasLtMatmulAlgoGetHeuristic(handle, operation, w_layout, x_layout, out_layout, out_layout,
                                          preference, most_algorithms, found, &count));
  cudaEvent_t begin, end;
  CHECK(cudaEventCreate(&begin));
  CHECK(cudaEventCreate(&end));
  const int32_t one = 1, zero = 0;
  double best = 0;
  for (int a = 0; a < count; ++a) {
    std::vector<double> times;
    for (int i = 0; i < warm_up + repeats; ++i) {
      float milliseconds = 0;
      CHECK(cudaEventRecord(begin, 0));
      for (int c = 0; c < copies; ++c)
        CHECK_LT(cublasLtMatmul(handle, operation, &one, (const int8_t *)w + (size_t)c * n * k, w_layout, x,
                                x_layout, &zero, out, out_layout, out, out_layout, &found[a].algo, workspace,
                                workspace_bytes, 0));
      CHECK(cudaEventRecord(end, 0));
      CHECK(cudaEventSynchronize(end));
      CHECK(cudaEventElapsedTime(&milliseconds, begin, end));
      if (i >= warm_up)
        times.push_back(milliseconds * 1e-3 / copies);
    }
    std::sort(times.begin(), times.end());
    best = best == 0 ? times[times.size() / 2] : std::min(best, times[times.size() / 2]);
  }
  CHECK(cudaEventDestroy(begin));
  CHECK(cudaEventDestroy(end));
  CHECK_LT(cublasLtMatmulPreferenceDestroy(preference));
  CHECK_LT(cublasLtMatrixLayoutDestroy(w_layout));
  CHECK_LT(cublasLtMatrixLayoutDestroy(x_layout));
  CHECK_LT(cublasLtMatrixLayoutDestroy(out_layout));
  CHECK_LT(cublasLtMatmulDescDestroy(operation));
  for (void *block : {x, w, out, workspace})
    CHECK(cudaFree(block));
  return best;
}

#else

double cublas_seconds(int32_t, int32_t, int32_t) {
  return 0;
}

#endif
