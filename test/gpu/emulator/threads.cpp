#include "cuda_runtime.h"

#include <sys/mman.h>

#include <algorithm>
#include <deque>
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

enum { WARPS = EMULATED_MOST_THREADS / EMULATED_WARP };
enum { STACK_BYTES = 128 << 10, STACKS = 256 }; /* STACKS: in one mapping, of which a process has not many */
enum { MOST_SHARED = 256 << 10 };
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
  bool has_ended;
  const meeting *waits_for; /* until its generation changes, or NULL */
  unsigned generation;
  unsigned releases_seen; /* when it last acquired */
  std::vector<background_copy> copies;
  std::vector<size_t> groups; /* how many of `copies` each has */
  size_t uncommitted;
};

struct warp {
  meeting all;
  unsigned meeting_lanes, ended;
  alignas(16) char slots[2][EMULATED_WARP][EMULATED_SLOT];
};

struct block {
  dim3 index;
  unsigned first, live; /* of its threads: the number of the first; how many have not ended */
  warp warps[WARPS];
  meeting barrier;
  char *shared_begin;
  std::vector<char> variables; /* its __shared__ variables while another block runs */
};

std::deque<thread> threads;
unsigned current;            /* the running thread */
block *own;                  /* and its block */
meeting releases;            /* whose generation counts them */
std::vector<char *> dynamic; /* ends of the blocks' dynamic shared memory */
const std::function<void()> *body;
jmp_buf scheduler;
std::mt19937 dice;

unsigned number() { /* of the running thread in its block */
  return current - own->first;
}
warp &own_warp() {
  return own->warps[number() / EMULATED_WARP];
}

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
    --own->live;
    own_warp().ended |= 1u << number() % EMULATED_WARP;
    pause_thread();
  }
}

void make_thread() {
  static ucontext_t context; /* left once, for good */
  static char *stacks;
  if (threads.size() % STACKS == 0)
    stacks = map_guarded((size_t)STACKS * STACK_BYTES, MAP_NORESERVE);
  current = (unsigned)threads.size();
  threads.emplace_back();
  getcontext(&context);
  context.uc_stack.ss_sp = stacks + (size_t)(current % STACKS) * STACK_BYTES;
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
  threadIdx = dim3(number());
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
          blockIdx.y, blockIdx.z, gridDim.x, gridDim.y, gridDim.z, own ? number() : 0, blockDim.x, what);
  _exit(1);
}

namespace {

void begin_block(block &b, dim3 index, unsigned first, unsigned size, char *end, size_t shared) {
  b.index = index;
  b.first = first;
  b.live = size;
  b.shared_begin = (char *)((uintptr_t)(end - shared) & ~(uintptr_t)127);
  memset(b.shared_begin, SPOILT, (size_t)(end - b.shared_begin));
  b.barrier = {};
  for (unsigned w = 0; w * EMULATED_WARP < size; ++w) {
    b.warps[w].all = {0, 0};
    b.warps[w].ended = 0;
  }
  while (threads.size() < first + size)
    make_thread();
  for (unsigned i = first; i < first + size; ++i) {
    thread &t = threads[i];
    t.has_ended = false;
    t.waits_for = NULL;
    t.releases_seen = releases.generation - 1;
    t.copies.clear();
    t.groups.clear();
    t.uncommitted = 0;
  }
}

size_t variable_bytes() {
  return __start_shared_memory ? (size_t)(__stop_shared_memory - __start_shared_memory) : 0;
}

/* Runs the block's threads until none can run; whether any could. */
bool run_block(block &b, unsigned size) {
  bool has_run = false;
  own = &b;
  blockIdx = b.index;
  while (b.live) {
    bool any = false;
    for (unsigned w = 0; w < size; w += EMULATED_WARP)
      while (run_some(b.first + w, b.first + std::min(size, w + EMULATED_WARP)))
        any = true;
    const unsigned generation = b.barrier.generation;
    close_meeting(b.barrier, b.live); /* those that ended may have been the last */
    has_run = has_run || any;
    if (!any && b.live && generation == b.barrier.generation)
      break;
  }
  return has_run;
}

void must_have_run(bool has_run) {
  if (!has_run)
    emulated_fault("waits for threads that never come");
}

} // namespace

void emulated_run_grid(const std::function<void()> &kernel, const std::vector<dim3> &indices, unsigned size,
                       size_t shared, bool together) {
  static bool is_ready = (set_up(), true);
  (void)is_ready;
  const size_t at_once = together ? indices.size() : 1;
  const std::vector<char> spoilt(variable_bytes(), (char)SPOILT);
  body = &kernel;
  while (dynamic.size() < at_once)
    dynamic.push_back(map_guarded(MOST_SHARED, MAP_32BIT) + MOST_SHARED);
  std::vector<block> blocks(at_once);
  for (size_t first = 0; first < indices.size(); first += at_once) {
    size_t ended = 0;
    for (size_t i = 0; i < at_once; ++i) {
      begin_block(blocks[i], indices[first + i], (unsigned)i * size, size, dynamic[i], shared);
      blocks[i].variables = spoilt;
    }
    while (ended < at_once) {
      bool any = false;
      for (block &b : blocks) {
        if (!b.live)
          continue;
        memcpy(__start_shared_memory, b.variables.data(), b.variables.size());
        any = run_block(b, size) || any;
        if (b.live && at_once > 1)
          memcpy(b.variables.data(), __start_shared_memory, b.variables.size());
        ended += !b.live;
      }
      must_have_run(any);
    }
  }
}

unsigned emulated_lane() {
  return number() % EMULATED_WARP;
}

void *emulated_dynamic_shared() {
  return own->shared_begin;
}

void emulated_barrier() {
  arrive(own->barrier, own->live);
}

void emulated_release() {
  ++releases.generation;
}

void emulated_acquire() {
  thread &self = threads[current];
  if (self.releases_seen == releases.generation) {
    self.generation = releases.generation;
    self.waits_for = &releases;
    pause_thread();
    self.waits_for = NULL;
  }
  self.releases_seen = releases.generation;
}

const void *emulated_exchange(unsigned lanes, const void *value, size_t bytes) {
  warp &w = own_warp();
  if (!(lanes >> emulated_lane() & 1))
    emulated_fault("is not among the lanes that it names");
  if (lanes & w.ended)
    emulated_fault("names lanes that have ended");
  if (w.all.arrived && w.meeting_lanes != lanes)
    emulated_fault("meets lanes that name others");
  w.meeting_lanes = lanes;
  char *const slots = w.slots[w.all.generation % 2][0];
  if (bytes)
    memcpy(slots + emulated_lane() * bytes, value, bytes);
  arrive(w.all, (unsigned)__builtin_popcount(lanes));
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
