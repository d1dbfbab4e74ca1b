// Printed with torch 2.13.
// The frame of a kernel for a GPU, one trajectory a thread; what begins with a dollar is printed for each experiment
// (lower_cuda.py). With __global__, __device__ and the indices of threads defined, it is C++ as well.
#define FEATURES 1  // single numbers
#include "scalars.h"

#include "cuda_math.h"

#include "randomness.h"

namespace { struct Sampler { static constexpr int SIZE = 10;  int64_t epoch; DEVICE void start() {  } }; }
static_assert(sizeof(Sampler) == 8, "the host makes room for this many bytes a thread");

struct Call {
  int64_t members, first, steps;
  const uint32_t* trajectory;
  void* slots[4];
  const void* arrays[1];
  const void *inputs, *targets;
  const int32_t* chosen;
  const double* shares;
  const uint8_t* ends;
  int64_t* diverged_at;
  Sampler* samplers;
  uint32_t key[2];
};

namespace {

using NumberF = float;
using NumberD = double;

struct Work {
  DEVICE explicit Work(Sampler& own) : sampler(own) {}
  D t0[3];
  D t1[1];
  D t2[1];
  D t3[1];
  D f_batch_inputs_4[30];
  D f_batch_targets_5[10];
  D u0[3];
  D u1[3];
  Sampler& sampler;
  int32_t chosen[Sampler::SIZE][LANES];
};

}  // namespace

extern "C" __global__ void advance_each(const Call call) {
  const int64_t row[LANES] = {int64_t(blockIdx.x) * blockDim.x + threadIdx.x};
  if (row[0] >= call.members) return;
  constexpr int used = LANES, l = 0;
  const uint32_t trajectory[LANES] = {call.trajectory[row[l]]};
  bool gone = call.diverged_at[row[l]] >= 0;
  Work w(call.samplers[row[l]]);
  const double* __restrict const k0 = (const double*)call.arrays[0];
  load(w.t0, (const double*)call.slots[0], 3, row);
  load(w.t1, (const double*)call.slots[1], 1, row);
  load(w.t2, (const double*)call.slots[2], 1, row);
  load(w.t3, (const double*)call.slots[3], 1, row);
  w.sampler.start();
  for (int64_t step = call.first; step < call.first + call.steps; step++) {
  few_distinct<200, 10>(call.key, uint32_t(step), trajectory, w.chosen);
  gather<10, 3>(w.f_batch_inputs_4, (const double*)call.inputs, w.chosen);


  for (int i0 = 0; i0 < 3; i0++) w.u0[i0] = (D_(0x1.999999999999ap-5) * D_(k0[i0]));
  for (int i1 = 0; i1 < 3; i1++) { D sum0 = D_(0); D sum1 = D_(0); D sum2 = D_(0); D sum3 = D_(0);  { for (int i0 = 0; i0 < 8; i0 += 4) { sum0 += (w.u0[i1] * ((w.t0[i1] - w.f_batch_inputs_4[(i0+0)*3+i1]) * D_(0x1.0000000000000p+1))); sum1 += (w.u0[i1] * ((w.t0[i1] - w.f_batch_inputs_4[(i0+1)*3+i1]) * D_(0x1.0000000000000p+1))); sum2 += (w.u0[i1] * ((w.t0[i1] - w.f_batch_inputs_4[(i0+2)*3+i1]) * D_(0x1.0000000000000p+1))); sum3 += (w.u0[i1] * ((w.t0[i1] - w.f_batch_inputs_4[(i0+3)*3+i1]) * D_(0x1.0000000000000p+1))); } sum0 += (w.u0[i1] * ((w.t0[i1] - w.f_batch_inputs_4[i1+24]) * D_(0x1.0000000000000p+1))); sum1 += (w.u0[i1] * ((w.t0[i1] - w.f_batch_inputs_4[i1+27]) * D_(0x1.0000000000000p+1))); } w.u1[i1] = (sum0 + sum1) + (sum2 + sum3); }
  for (int i0 = 0; i0 < 3; i0++) w.t0[i0] = (w.t0[i0] - (w.t1[0] * w.u1[i0]));


  D doubt = D_(0);
  F doubt_single = F_(0);
  for (int i = 0; i < 3; i++) doubt += w.t0[i] * D_(0);
  doubt += to_D(doubt_single);
  if (doubt != doubt) {
    if (!gone) {
      gone = true;
      call.diverged_at[row[l]] = step + 1;
    }
    for (int i = 0; i < 3; i++) ((NumberD*)&w.t0[i])[l] = NAN;
  }
  }
  store(w.t0, (double*)call.slots[0], 3, row, used);
}
