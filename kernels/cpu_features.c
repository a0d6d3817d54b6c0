#ifdef __linux__
#define _GNU_SOURCE /* syscall */
#endif
#include "cpu_features.h"

#ifdef MAMBA_HAS_X86_64_SETS
#include <cpuid.h>

enum { WORD_EAX, WORD_ECX, WORD_EDX };

static bool cpuid_bit(unsigned leaf, unsigned subleaf, int word, int bit) {
  unsigned eax, ebx, ecx, edx;
  if (!__get_cpuid_count(leaf, subleaf, &eax, &ebx, &ecx, &edx))
    return false;
  return (word == WORD_EAX ? eax : word == WORD_ECX ? ecx : edx) >> bit & 1;
}

bool mamba_cpu_has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") &&
         cpuid_bit(1, 0, WORD_ECX, 29); /* F16C */
}

bool mamba_cpu_has_avx512(void) {
  return mamba_cpu_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

bool mamba_cpu_has_avx_vnni(void) {
  return mamba_cpu_has_avx2() && cpuid_bit(7, 1, WORD_EAX, 4);
}

bool mamba_cpu_has_avx512_vnni(void) {
  return mamba_cpu_has_avx512() && __builtin_cpu_supports("avx512vnni");
}

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>

bool mamba_cpu_has_amx_int8(void) {
  enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
  return mamba_cpu_has_avx512_vnni() && cpuid_bit(7, 0, WORD_EDX, 24) /* AMX-TILE */ &&
         cpuid_bit(7, 0, WORD_EDX, 25) /* AMX-INT8 */ &&
         syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#else
bool mamba_cpu_has_amx_int8(void) {
  return false;
}
#endif
#endif

#ifdef MAMBA_HAS_AARCH64_VECTORS
#ifdef __linux__
#include <sys/auxv.h>

bool mamba_cpu_has_dotprod(void) {
  enum { HWCAP_DOTPROD = 1 << 20 };
  return getauxval(AT_HWCAP) & HWCAP_DOTPROD;
}
#else
bool mamba_cpu_has_dotprod(void) {
  return false;
}
#endif
#endif
