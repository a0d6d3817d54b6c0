#include "cuda_runtime.h"

#include <sys/mman.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

dim3 threadIdx, blockIdx, blockDim, gridDim;

/* Of all __shared__ variables of the program; there need be none. */
extern char __start_shared_memory[] __attribute__((weak)), __stop_shared_memory[] __attribute__((weak));

namespace {

enum { STACK_BYTES = 256 << 10, BARRIERS = 16, WARPS = EMULATED_MOST_THREADS / EMULATED_WARP };
enum { SPOILT = 0xff }; /* a NaN, or -1 */

/* Threads that meet. `generation` counts how often all were there. */
struct meeting {
  unsigned arrived, generation;
};

struct background_copy {
  void *to;
  const void *from;
  size_t bytes;
};

struct thread {
  jmp_buf here;
  char *stack;
  bool has_ended;
  const meeting *waits_for; /* until its generation changes, or NULL */
  unsigned generation;
  std::vector<background_copy> copies;
  std::vector<size_t> groups; /* how many of `copies` each has */
  size_t uncommitted;
};

struct warp {
  meeting all;
  unsigned meeting_lanes, ended;
  alignas(16) char slots[2][EMULATED_WARP][EMULATED_SLOT];
};

thread threads[EMULATED_MOST_THREADS];
warp warps[WARPS];
meeting barriers[BARRIERS];
unsigned made, count, live, current; /* threads: with a stack; of the block; not ended; running */
const std::function<void()> *body;
jmp_buf scheduler;
char *shared_end, *shared_begin;
std::mt19937 dice;

/* `bytes` with an inaccessible page behind them; low in memory. */
char *map_guarded(size_t bytes, int flags) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (bytes + page - 1) / page * page;
  char *memory =
      (char *)mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory + whole, page, PROT_NONE)) {
    perror("emulator: memory");
    exit(1);
  }
  return memory;
}

void on_signal(int) {
  emulated_fault("read or wrote outside of memory");
}

/* Which of the values an environment variable has; the first where it is not set. */
int setting(const char *name, std::initializer_list<const char *> values) {
  const char *set = getenv(name);
  int found = 0;
  for (const char *value : values) {
    if (!set || !strcmp(set, value))
      return found;
    ++found;
  }
  fprintf(stderr, "emulator: %s: expected one of", name);
  for (const char *value : values)
    fprintf(stderr, " %s", value);
  fprintf(stderr, ", found %s\n", set);
  exit(1);
}

emulated_settings_type read_settings() {
  const int order = setting("MAMBA_EMULATOR_ORDER", {"forward", "backward", "random"});
  const bool late = setting("MAMBA_EMULATOR_COPIES", {"early", "late"});
  const bool large = setting("MAMBA_EMULATOR_GPU", {"orin", "h200"});
  return {(emulated_settings_type::order_type)order, late, large ? 132 : 8,
          (size_t)(large ? 227 : 163) << 10};
}

void set_up() {
  static char alternate[1 << 16];
  stack_t stack = {};
  stack.ss_sp = alternate;
  stack.ss_size = sizeof alternate;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_ONSTACK;
  sigaltstack(&stack, NULL);
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  const size_t most = 256 << 10;
  shared_end = map_guarded(most, MAP_32BIT) + most;
}

/* ---- Switching -------------------------------------------------------------------------------------- */

void pause_thread() {
  if (!_setjmp(threads[current].here))
    _longjmp(scheduler, 1);
}

/* A thread's life: kernel after kernel. */
void live_on() {
  for (;;) {
    (*body)();
    thread &self = threads[current];
    self.has_ended = true;
    --live;
    warps[current / EMULATED_WARP].ended |= 1u << current % EMULATED_WARP;
    pause_thread();
  }
}

void make_thread(unsigned index) {
  static ucontext_t context; /* left once, for good */
  threads[index].stack = map_guarded(STACK_BYTES, 0);
  current = index;
  getcontext(&context);
  context.uc_stack.ss_sp = threads[index].stack;
  context.uc_stack.ss_size = STACK_BYTES;
  context.uc_link = NULL;
  makecontext(
      &context,
      [] {
        if (!_setjmp(threads[current].here))
          _longjmp(scheduler, 1);
        live_on();
      },
      0);
  if (!_setjmp(scheduler))
    setcontext(&context);
}

void resume(unsigned index) {
  current = index;
  threadIdx = dim3(index);
  if (!_setjmp(scheduler))
    _longjmp(threads[index].here, 1);
}

/* Ends the meeting where all are there. */
void close_meeting(meeting &m, unsigned expected) {
  if (m.arrived && m.arrived >= expected) {
    m.arrived = 0;
    ++m.generation;
  }
}

void arrive(meeting &m, unsigned expected) {
  thread &self = threads[current];
  self.generation = m.generation;
  self.waits_for = &m;
  ++m.arrived;
  close_meeting(m, expected);
  if (self.generation == m.generation)
    pause_thread();
  self.waits_for = NULL;
}

/* Runs each of the threads [first, last) that can run; whether any could. */
bool run_some(unsigned first, unsigned last) {
  bool any = false;
  for (unsigned i = first; i < last; ++i) {
    const unsigned index = first + (unsigned)emulated_place(i - first, last - first);
    const thread &t = threads[index];
    if (t.has_ended || (t.waits_for && t.waits_for->generation == t.generation))
      continue;
    any = true;
    if (emulated_settings().order != emulated_settings_type::RANDOM || dice() % 4 != 0) /* else later */
      resume(index);
  }
  return any;
}

} // namespace

const emulated_settings_type &emulated_settings() {
  static const emulated_settings_type settings = read_settings();
  return settings;
}

uint64_t emulated_place(uint64_t i, uint64_t count) {
  static std::vector<uint64_t> places;
  if (emulated_settings().order != emulated_settings_type::RANDOM)
    return emulated_settings().order == emulated_settings_type::FORWARD ? i : count - 1 - i;
  if (i == 0) {
    places.resize(count);
    std::iota(places.begin(), places.end(), (uint64_t)0);
    std::shuffle(places.begin(), places.end(), dice);
  }
  return places[i];
}

void emulated_fault(const char *what) {
  fprintf(stderr, "emulator: block (%u, %u, %u) of (%u, %u, %u), thread %u of %u: %s\n", blockIdx.x,
          blockIdx.y, blockIdx.z, gridDim.x, gridDim.y, gridDim.z, current, blockDim.x, what);
  _exit(1);
}

void emulated_run_block(const std::function<void()> &kernel, unsigned size, size_t shared) {
  static bool is_ready = (set_up(), true);
  (void)is_ready;
  shared_begin = (char *)((uintptr_t)(shared_end - shared) & ~(uintptr_t)127);
  memset(shared_begin, SPOILT, (size_t)(shared_end - shared_begin));
  if (__start_shared_memory)
    memset(__start_shared_memory, SPOILT, (size_t)(__stop_shared_memory - __start_shared_memory));
  body = &kernel;
  live = count = size;
  for (; made < count; ++made)
    make_thread(made);
  memset(barriers, 0, sizeof barriers);
  for (unsigned i = 0; i < count; ++i) {
    thread &t = threads[i];
    t.has_ended = false;
    t.waits_for = NULL;
    t.copies.clear();
    t.groups.clear();
    t.uncommitted = 0;
  }
  for (unsigned w = 0; w * EMULATED_WARP < count; ++w) {
    warps[w].all = {0, 0};
    warps[w].ended = 0;
  }
  while (live) {
    bool any = false;
    for (unsigned first = 0; first < count; first += EMULATED_WARP)
      while (run_some(first, std::min(count, first + EMULATED_WARP)))
        any = true;
    const unsigned generation = barriers[0].generation;
    close_meeting(barriers[0], live); /* those that ended may have been the last */
    if (!any && live && generation == barriers[0].generation)
      emulated_fault("waits for threads that never come");
  }
}

unsigned emulated_lane() {
  return current % EMULATED_WARP;
}

void *emulated_dynamic_shared() {
  return shared_begin;
}

void emulated_barrier(unsigned barrier, unsigned expected) {
  arrive(barriers[barrier], expected ? expected : live);
}

const void *emulated_exchange(unsigned lanes, const void *value, size_t bytes) {
  warp &own = warps[current / EMULATED_WARP];
  if (!(lanes >> emulated_lane() & 1))
    emulated_fault("is not among the lanes that it names");
  if (lanes & own.ended)
    emulated_fault("names lanes that have ended");
  if (own.all.arrived && own.meeting_lanes != lanes)
    emulated_fault("meets lanes that name others");
  own.meeting_lanes = lanes;
  char *const slots = own.slots[own.all.generation % 2][0];
  if (bytes)
    memcpy(slots + emulated_lane() * bytes, value, bytes);
  arrive(own.all, (unsigned)__builtin_popcount(lanes));
  return slots;
}

/* ---- Copies in the background ------------------------------------------------------------------------ */

static void perform(const background_copy &copy) {
  if (copy.from)
    memcpy(copy.to, copy.from, copy.bytes);
  else
    memset(copy.to, 0, copy.bytes);
}

void emulated_copy(void *to, const void *from, size_t bytes) {
  if ((uintptr_t)to % bytes || (uintptr_t)from % bytes)
    emulated_fault("copies from or to an address that is not a multiple of the size");
  if (!emulated_settings().late_copies)
    return perform({to, from, bytes});
  memset(to, SPOILT, bytes);
  threads[current].copies.push_back({to, from, bytes});
  ++threads[current].uncommitted;
}

void emulated_commit() {
  threads[current].groups.push_back(threads[current].uncommitted);
  threads[current].uncommitted = 0;
}

void emulated_wait(unsigned pending) {
  thread &self = threads[current];
  size_t done = 0;
  for (; self.groups.size() > pending; self.groups.erase(self.groups.begin()))
    for (size_t last = done + self.groups[0]; done < last; ++done)
      perform(self.copies[done]);
  self.copies.erase(self.copies.begin(), self.copies.begin() + (ptrdiff_t)done);
}
