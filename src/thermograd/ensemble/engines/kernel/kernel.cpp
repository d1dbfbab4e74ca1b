// The frame of a kernel; what begins with a dollar is printed for each experiment (source.py).
#define HAS_FLOAT32 $has_float32
#define FEATURES $features
$headers
$sampling

struct Call {
  int64_t members, first, steps;
  const uint32_t* trajectory;
  void** slots;
  const void** arrays;
  const void *inputs, *targets;
  const int32_t* chosen;
  const double* shares;
  const uint8_t* ends;
  int64_t* diverged_at;
  std::atomic<int64_t>* next;
  uint32_t key[2];
};

namespace {

using NumberF = float;
using NumberD = double;

struct alignas(64) Work {
$fields
  Sampler sampler;
  int32_t chosen[Sampler::SIZE][LANES];
};

void advance_group(const Call& call, Work& __restrict w, int64_t group) {
  int64_t row[LANES];
  uint32_t trajectory[LANES];
  const int used = int(std::min<int64_t>(LANES, call.members - group * LANES));
  bool gone[LANES];
  for (int l = 0; l < LANES; l++) {
    row[l] = group * LANES + (l < used ? l : used - 1);
    trajectory[l] = call.trajectory[row[l]];
    gone[l] = call.diverged_at[row[l]] >= 0;
  }
$shared
$load
  w.sampler.start();
  for (int64_t step = call.first; step < call.first + call.steps; step++) {
$sample
$gathered
$normals
$begin
$update
$slopes
$add
  D doubt = D_(0);
#if HAS_FLOAT32 || FEATURES
  F doubt_single = F_(0);
#endif
$finite
#if HAS_FLOAT32 || FEATURES
  doubt += to_D(doubt_single);
#endif
  double seen[LANES];
  memcpy(seen, &doubt, sizeof seen);
  bool any = false;
  for (int l = 0; l < LANES; l++) any |= seen[l] != seen[l];
  if (any) for (int l = 0; l < LANES; l++) if (seen[l] != seen[l]) {
    if (!gone[l]) {
      gone[l] = true;
      if (l < used) call.diverged_at[row[l]] = step + 1;
    }
$gone
  }
  }
$store
}

}  // namespace

extern "C" int64_t lanes() { return LANES; }
extern "C" int64_t integer_bytes() { return sizeof(IntegerOfData); }
extern "C" int64_t work_bytes() { return sizeof(Work); }
extern "C" int64_t advance(const Call* call) {
  Work* work = static_cast<Work*>(aligned_alloc(64, (sizeof(Work) + 63) / 64 * 64));
  if (!work) return 1;
  for (;;) {
    int64_t group = call->next->fetch_add(1);
    if (group * LANES >= call->members) break;
    advance_group(*call, *work, group);
  }
  free(work);
  return 0;
}
