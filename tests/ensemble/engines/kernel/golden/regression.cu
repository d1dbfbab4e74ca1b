// Printed with torch 2.13.
// The frame of a kernel for a GPU, one trajectory a thread; what begins with a dollar is printed for each experiment
// (lower_cuda.py). With __global__, __device__ and the indices of threads defined, it is C++ as well.
#define FEATURES 1  // single numbers
#include "scalars.h"

#include "cuda_math.h"

#include "randomness.h"

namespace { struct Sampler { static constexpr int SIZE = 10; Permutations<200, 10> permutations; int64_t epoch; DEVICE void start() { epoch = -1; } }; }
static_assert(sizeof(Sampler) == 448, "the host makes room for this many bytes a thread");

struct Call {
  int64_t members, first, steps;
  const uint32_t* trajectory;
  void* slots[7];
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
  D t0[2];
  D t1[2];
  D t2[2];
  D t3[1];
  D t4[1];
  D t5[1];
  D t6[1];
  D f_batch_inputs_7[10];
  D f_batch_targets_8[10];
  D u0[20];
  D u1[20];
  D u2[10];
  D u3[10];
  D u4[20];
  D u5[20];
  D u6[2];
  D u7[2];
  D u8[2];
  D u9[1];
  D u10[1];
  D u11[1];
  D u12[1];
  D u13[1];
  D u14[1];
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

  load(w.t0, (const double*)call.slots[0], 2, row);
  load(w.t1, (const double*)call.slots[1], 2, row);
  load(w.t2, (const double*)call.slots[2], 2, row);
  load(w.t3, (const double*)call.slots[3], 1, row);
  load(w.t4, (const double*)call.slots[4], 1, row);
  load(w.t5, (const double*)call.slots[5], 1, row);
  load(w.t6, (const double*)call.slots[6], 1, row);
  w.sampler.start();
  for (int64_t step = call.first; step < call.first + call.steps; step++) {
  const int64_t epoch = step / 20, position = step % 20;
  const int first = int(position * 10), last = int((position + 1) * 10);
  if (epoch != w.sampler.epoch) {
    w.sampler.epoch = epoch;
    w.sampler.permutations.identity();
    for (int i = 0; i < first; i += 10)
      w.sampler.permutations.shuffle(i, i + 10 < first ? i + 10 : first, call.key, uint32_t(epoch), trajectory, w.chosen);
  }
  w.sampler.permutations.shuffle(first, last, call.key, uint32_t(epoch), trajectory, w.chosen);
  gather<10, 1>(w.f_batch_inputs_7, (const double*)call.inputs, w.chosen);
  gather<10, 1>(w.f_batch_targets_8, (const double*)call.targets, w.chosen);


  {
    for (int r = 0; r < 2; r++) { D s0_0 = w.t1[0]; D s0_1 = w.t1[1]; D s1_0 = w.t1[0]; D s1_1 = w.t1[1]; D s2_0 = w.t1[0]; D s2_1 = w.t1[1]; D s3_0 = w.t1[0]; D s3_1 = w.t1[1]; D s4_0 = w.t1[0]; D s4_1 = w.t1[1]; { D a0 = w.f_batch_inputs_7[(r*5)]; D a1 = w.f_batch_inputs_7[(r*5+1)]; D a2 = w.f_batch_inputs_7[(r*5+2)]; D a3 = w.f_batch_inputs_7[(r*5+3)]; D a4 = w.f_batch_inputs_7[(r*5+4)]; { D b = w.t0[0]; s0_0 += a0 * b; s1_0 += a1 * b; s2_0 += a2 * b; s3_0 += a3 * b; s4_0 += a4 * b; } { D b = w.t0[1]; s0_1 += a0 * b; s1_1 += a1 * b; s2_1 += a2 * b; s3_1 += a3 * b; s4_1 += a4 * b; } } w.u0[(r*5)*2] = s0_0; w.u0[(r*5)*2+1] = s0_1; w.u0[(r*5+1)*2] = s1_0; w.u0[(r*5+1)*2+1] = s1_1; w.u0[(r*5+2)*2] = s2_0; w.u0[(r*5+2)*2+1] = s2_1; w.u0[(r*5+3)*2] = s3_0; w.u0[(r*5+3)*2+1] = s3_1; w.u0[(r*5+4)*2] = s4_0; w.u0[(r*5+4)*2+1] = s4_1; }
  }
  for (int i0 = 0; i0 < 10; i0++) for (int i1 = 0; i1 < 2; i1++) w.u1[i0*2+i1] = of::tanh(w.u0[i0*2+i1]);
  {
    for (int r = 0; r < 2; r++) { D s0_0 = w.t3[0]; D s1_0 = w.t3[0]; D s2_0 = w.t3[0]; D s3_0 = w.t3[0]; D s4_0 = w.t3[0]; for (int k = 0; k < 2; k++) { D a0 = w.u1[(r*5)*2+k]; D a1 = w.u1[(r*5+1)*2+k]; D a2 = w.u1[(r*5+2)*2+k]; D a3 = w.u1[(r*5+3)*2+k]; D a4 = w.u1[(r*5+4)*2+k]; { D b = w.t2[k]; s0_0 += a0 * b; s1_0 += a1 * b; s2_0 += a2 * b; s3_0 += a3 * b; s4_0 += a4 * b; } } w.u2[(r*5)] = s0_0; w.u2[(r*5+1)] = s1_0; w.u2[(r*5+2)] = s2_0; w.u2[(r*5+3)] = s3_0; w.u2[(r*5+4)] = s4_0; }
  }
  for (int i0 = 0; i0 < 10; i0++) w.u3[i0] = (D_(0x1.f3fffffffffffp+9) * ((w.u2[i0] - w.f_batch_targets_8[i0]) * D_(0x1.0000000000000p+1)));
  {
    for (int r = 0; r < 2; r++) { D s0_0 = D_(0); D s0_1 = D_(0); D s1_0 = D_(0); D s1_1 = D_(0); D s2_0 = D_(0); D s2_1 = D_(0); D s3_0 = D_(0); D s3_1 = D_(0); D s4_0 = D_(0); D s4_1 = D_(0); { D a0 = w.u3[(r*5)]; D a1 = w.u3[(r*5+1)]; D a2 = w.u3[(r*5+2)]; D a3 = w.u3[(r*5+3)]; D a4 = w.u3[(r*5+4)]; { D b = w.t2[0]; s0_0 += a0 * b; s1_0 += a1 * b; s2_0 += a2 * b; s3_0 += a3 * b; s4_0 += a4 * b; } { D b = w.t2[1]; s0_1 += a0 * b; s1_1 += a1 * b; s2_1 += a2 * b; s3_1 += a3 * b; s4_1 += a4 * b; } } w.u4[(r*5)*2] = s0_0; w.u4[(r*5)*2+1] = s0_1; w.u4[(r*5+1)*2] = s1_0; w.u4[(r*5+1)*2+1] = s1_1; w.u4[(r*5+2)*2] = s2_0; w.u4[(r*5+2)*2+1] = s2_1; w.u4[(r*5+3)*2] = s3_0; w.u4[(r*5+3)*2+1] = s3_1; w.u4[(r*5+4)*2] = s4_0; w.u4[(r*5+4)*2+1] = s4_1; }
  }
  for (int i0 = 0; i0 < 10; i0++) for (int i1 = 0; i1 < 2; i1++) w.u5[i0*2+i1] = (w.u4[i0*2+i1] * (D_(0x1.0000000000000p+0) - (w.u1[i0*2+i1] * w.u1[i0*2+i1])));
  {
    { D s0_0 = (D_(0x1.4000000000000p+3) * (w.t0[0] * D_(0x1.0000000000000p+1))); D s1_0 = (D_(0x1.4000000000000p+3) * (w.t0[1] * D_(0x1.0000000000000p+1))); for (int k = 0; k < 10; k++) { D a0 = w.u5[k*2]; D a1 = w.u5[k*2+1]; { D b = w.f_batch_inputs_7[k]; s0_0 += a0 * b; s1_0 += a1 * b; } } w.u6[0] = s0_0; w.u6[1] = s1_0; }
  }
  for (int i1 = 0; i1 < 2; i1++) { D sum0 = D_(0); D sum1 = D_(0); D sum2 = D_(0); D sum3 = D_(0);  { for (int i0 = 0; i0 < 8; i0 += 4) { sum0 += w.u5[(i0+0)*2+i1]; sum1 += w.u5[(i0+1)*2+i1]; sum2 += w.u5[(i0+2)*2+i1]; sum3 += w.u5[(i0+3)*2+i1]; } sum0 += w.u5[i1+16]; sum1 += w.u5[i1+18]; } w.u7[i1] = (sum0 + sum1) + (sum2 + sum3); }
  {
    { D s0_0 = (D_(0x1.4000000000000p+3) * (w.t2[0] * D_(0x1.0000000000000p+1))); D s0_1 = (D_(0x1.4000000000000p+3) * (w.t2[1] * D_(0x1.0000000000000p+1))); for (int k = 0; k < 10; k++) { D a0 = w.u3[k]; { D b = w.u1[k*2]; s0_0 += a0 * b; } { D b = w.u1[k*2+1]; s0_1 += a0 * b; } } w.u8[0] = s0_0; w.u8[1] = s0_1; }
  }
  w.u9[0] = (w.t3[0] * D_(0x1.0000000000000p+1));
  w.u10[0] = (D_(0x1.4000000000000p+3) * w.u9[0]);
  { D sum0 = D_(0); D sum1 = D_(0); D sum2 = D_(0); D sum3 = D_(0);  { for (int i0 = 0; i0 < 8; i0 += 4) { sum0 += w.u3[(i0+0)]; sum1 += w.u3[(i0+1)]; sum2 += w.u3[(i0+2)]; sum3 += w.u3[(i0+3)]; } sum0 += w.u3[8]; sum1 += w.u3[9]; } w.u11[0] = (sum0 + sum1) + (sum2 + sum3); }
  w.u12[0] = (w.u10[0] + w.u11[0]);
  w.u13[0] = (w.t4[0] * w.u12[0]);
  w.u14[0] = (w.t3[0] - w.u13[0]);
  for (int i0 = 0; i0 < 2; i0++) w.t0[i0] = (w.t0[i0] - (w.t4[0] * w.u6[i0]));
  for (int i0 = 0; i0 < 2; i0++) w.t1[i0] = (w.t1[i0] - (w.t4[0] * ((D_(0x1.4000000000000p+3) * (w.t1[i0] * D_(0x1.0000000000000p+1))) + w.u7[i0])));
  for (int i1 = 0; i1 < 2; i1++) w.t2[i1] = (w.t2[i1] - (w.t4[0] * w.u8[i1]));
  w.t3[0] = w.u14[0];


  D doubt = D_(0);
  F doubt_single = F_(0);
  for (int i = 0; i < 2; i++) doubt += w.t0[i] * D_(0);
  for (int i = 0; i < 2; i++) doubt += w.t1[i] * D_(0);
  for (int i = 0; i < 2; i++) doubt += w.t2[i] * D_(0);
  for (int i = 0; i < 1; i++) doubt += w.t3[i] * D_(0);
  doubt += to_D(doubt_single);
  if (doubt != doubt) {
    if (!gone) {
      gone = true;
      call.diverged_at[row[l]] = step + 1;
    }
    for (int i = 0; i < 2; i++) ((NumberD*)&w.t0[i])[l] = NAN;
    for (int i = 0; i < 2; i++) ((NumberD*)&w.t1[i])[l] = NAN;
    for (int i = 0; i < 2; i++) ((NumberD*)&w.t2[i])[l] = NAN;
    for (int i = 0; i < 1; i++) ((NumberD*)&w.t3[i])[l] = NAN;
  }
  }
  store(w.t0, (double*)call.slots[0], 2, row, used);
  store(w.t1, (double*)call.slots[1], 2, row, used);
  store(w.t2, (double*)call.slots[2], 2, row, used);
  store(w.t3, (double*)call.slots[3], 1, row, used);
}
