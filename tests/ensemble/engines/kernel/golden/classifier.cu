// Printed with torch 2.13.
// The frame of a kernel for a GPU, one trajectory a thread; what begins with a dollar is printed for each experiment
// (lower_cuda.py). With __global__, __device__ and the indices of threads defined, it is C++ as well.
#define FEATURES 1  // single numbers
#include "scalars.h"

#include "cuda_math.h"

#include "randomness.h"

namespace { struct Sampler { static constexpr int SIZE = 20; Permutations<200, 20> permutations; int64_t epoch; DEVICE void start() { epoch = -1; } }; }
static_assert(sizeof(Sampler) == 488, "the host makes room for this many bytes a thread");

struct Call {
  int64_t members, first, steps;
  const uint32_t* trajectory;
  void* slots[6];
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
  D t0[6];
  D t1[3];
  D t2[12];
  D t3[4];
  D t4[1];
  D t5[1];
  D f_batch_inputs_6[40];
  I f_batch_targets_7[20];
  D f_normal_0_0_weight_8[6];
  D f_normal_0_0_bias_9[3];
  D f_normal_0_2_weight_10[12];
  D f_normal_0_2_bias_11[4];
  D f_normal_1_0_weight_12[6];
  D f_normal_1_0_bias_13[3];
  D f_normal_1_2_weight_14[12];
  D f_normal_1_2_bias_15[4];
  D u0[1];
  D u1[1];
  D u2[1];
  I u3[20];
  D u4[20];
  D u5[80];
  D u6[60];
  D u7[60];
  D u8[80];
  D u9[20];
  D u10[20];
  D u11[20];
  D u12[20];
  D u13[80];
  D u14[60];
  D u15[60];
  D u16[6];
  D u17[1];
  D u18[1];
  D u19[1];
  D u20[3];
  D u21[12];
  D u22[4];
  D drawn0[25];
  D drawn1[25];
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
  const int64_t* __restrict const k0 = (const int64_t*)call.arrays[0];
  load(w.t0, (const double*)call.slots[0], 6, row);
  load(w.t1, (const double*)call.slots[1], 3, row);
  load(w.t2, (const double*)call.slots[2], 12, row);
  load(w.t3, (const double*)call.slots[3], 4, row);
  load(w.t4, (const double*)call.slots[4], 1, row);
  load(w.t5, (const double*)call.slots[5], 1, row);
  w.sampler.start();
  for (int64_t step = call.first; step < call.first + call.steps; step++) {
  const int64_t epoch = step / 10, position = step % 10;
  const int first = int(position * 20), last = int((position + 1) * 20);
  if (epoch != w.sampler.epoch) {
    w.sampler.epoch = epoch;
    w.sampler.permutations.identity();
    for (int i = 0; i < first; i += 20)
      w.sampler.permutations.shuffle(i, i + 20 < first ? i + 20 : first, call.key, uint32_t(epoch), trajectory, w.chosen);
  }
  w.sampler.permutations.shuffle(first, last, call.key, uint32_t(epoch), trajectory, w.chosen);
  gather<20, 2>(w.f_batch_inputs_6, (const double*)call.inputs, w.chosen);
  gather<20, 1>(w.f_batch_targets_7, (const IntegerOfData*)call.targets, w.chosen);
  normals(w.drawn0, 25, call.key, uint32_t(step), trajectory, 0);
  for (int i = 0; i < 6; i++) w.f_normal_0_0_weight_8[i] = w.drawn0[0 + i];
  for (int i = 0; i < 3; i++) w.f_normal_0_0_bias_9[i] = w.drawn0[6 + i];
  for (int i = 0; i < 12; i++) w.f_normal_0_2_weight_10[i] = w.drawn0[9 + i];
  for (int i = 0; i < 4; i++) w.f_normal_0_2_bias_11[i] = w.drawn0[21 + i];
  normals(w.drawn1, 25, call.key, uint32_t(step), trajectory, 1);
  for (int i = 0; i < 6; i++) w.f_normal_1_0_weight_12[i] = w.drawn1[0 + i];
  for (int i = 0; i < 3; i++) w.f_normal_1_0_bias_13[i] = w.drawn1[6 + i];
  for (int i = 0; i < 12; i++) w.f_normal_1_2_weight_14[i] = w.drawn1[9 + i];
  for (int i = 0; i < 4; i++) w.f_normal_1_2_bias_15[i] = w.drawn1[21 + i];

  w.u0[0] = (D_(double(step)) + D_(0x1.0000000000000p+0));
  w.u1[0] = of::square_root(w.u0[0]);
  w.u2[0] = (w.t4[0] / w.u1[0]);
  ROLLED for (int i0 = 0; i0 < 20; i0++) w.u3[i0] = select(ne(w.f_batch_targets_7[i0], I_(-100)), w.f_batch_targets_7[i0], I_(0));
  ROLLED for (int i0 = 0; i0 < 20; i0++) w.u4[i0] = select(ne(w.f_batch_targets_7[i0], I_(-100)), D_(0x1.999999999999ap-5), D_(0x0.0p+0));
  ROLLED for (int i0 = 0; i0 < 20; i0++) for (int i1 = 0; i1 < 4; i1++) w.u5[i0*4+i1] = (select(eq(w.u3[i0], I_(k0[i1])), D_(-0x1.0000000000000p+0), D_(0x0.0p+0)) * w.u4[i0]);
  {
    for (int r = 0; r < 5; r++) { D s0_0 = w.t1[0]; D s0_1 = w.t1[1]; D s0_2 = w.t1[2]; D s1_0 = w.t1[0]; D s1_1 = w.t1[1]; D s1_2 = w.t1[2]; D s2_0 = w.t1[0]; D s2_1 = w.t1[1]; D s2_2 = w.t1[2]; D s3_0 = w.t1[0]; D s3_1 = w.t1[1]; D s3_2 = w.t1[2]; for (int k = 0; k < 2; k++) { D a0 = w.f_batch_inputs_6[(r*4)*2+k]; D a1 = w.f_batch_inputs_6[(r*4+1)*2+k]; D a2 = w.f_batch_inputs_6[(r*4+2)*2+k]; D a3 = w.f_batch_inputs_6[(r*4+3)*2+k]; { D b = w.t0[k]; s0_0 += a0 * b; s1_0 += a1 * b; s2_0 += a2 * b; s3_0 += a3 * b; } { D b = w.t0[k+2]; s0_1 += a0 * b; s1_1 += a1 * b; s2_1 += a2 * b; s3_1 += a3 * b; } { D b = w.t0[k+4]; s0_2 += a0 * b; s1_2 += a1 * b; s2_2 += a2 * b; s3_2 += a3 * b; } } w.u6[(r*4)*3] = s0_0; w.u6[(r*4)*3+1] = s0_1; w.u6[(r*4)*3+2] = s0_2; w.u6[(r*4+1)*3] = s1_0; w.u6[(r*4+1)*3+1] = s1_1; w.u6[(r*4+1)*3+2] = s1_2; w.u6[(r*4+2)*3] = s2_0; w.u6[(r*4+2)*3+1] = s2_1; w.u6[(r*4+2)*3+2] = s2_2; w.u6[(r*4+3)*3] = s3_0; w.u6[(r*4+3)*3+1] = s3_1; w.u6[(r*4+3)*3+2] = s3_2; }
  }
  ROLLED for (int i0 = 0; i0 < 20; i0++) for (int i1 = 0; i1 < 3; i1++) w.u7[i0*3+i1] = of::tanh(w.u6[i0*3+i1]);
  {
    for (int r = 0; r < 10; r++) { D s0_0 = w.t3[0]; D s0_1 = w.t3[1]; D s0_2 = w.t3[2]; D s0_3 = w.t3[3]; D s1_0 = w.t3[0]; D s1_1 = w.t3[1]; D s1_2 = w.t3[2]; D s1_3 = w.t3[3]; for (int k = 0; k < 3; k++) { D a0 = w.u7[(r*2)*3+k]; D a1 = w.u7[(r*2+1)*3+k]; { D b = w.t2[k]; s0_0 += a0 * b; s1_0 += a1 * b; } { D b = w.t2[k+3]; s0_1 += a0 * b; s1_1 += a1 * b; } { D b = w.t2[k+6]; s0_2 += a0 * b; s1_2 += a1 * b; } { D b = w.t2[k+9]; s0_3 += a0 * b; s1_3 += a1 * b; } } w.u8[(r*2)*4] = s0_0; w.u8[(r*2)*4+1] = s0_1; w.u8[(r*2)*4+2] = s0_2; w.u8[(r*2)*4+3] = s0_3; w.u8[(r*2+1)*4] = s1_0; w.u8[(r*2+1)*4+1] = s1_1; w.u8[(r*2+1)*4+2] = s1_2; w.u8[(r*2+1)*4+3] = s1_3; }
  }
  ROLLED for (int i0 = 0; i0 < 20; i0++) { D best = w.u8[i0*4];  for (int i1 = 0; i1 < 4; i1++) best = larger(w.u8[i0*4+i1], best); w.u9[i0] = best; }
  ROLLED for (int i0 = 0; i0 < 20; i0++) { D sum = D_(0);  for (int i1 = 0; i1 < 4; i1++) sum += of::exp((w.u8[i0*4+i1] - w.u9[i0])); w.u10[i0] = sum; }
  ROLLED for (int i0 = 0; i0 < 20; i0++) w.u11[i0] = of::log(w.u10[i0]);
  ROLLED for (int i0 = 0; i0 < 20; i0++) { D sum = D_(0);  for (int i1 = 0; i1 < 4; i1++) sum += w.u5[i0*4+i1]; w.u12[i0] = sum; }
  ROLLED for (int i0 = 0; i0 < 20; i0++) for (int i1 = 0; i1 < 4; i1++) w.u13[i0*4+i1] = (w.u5[i0*4+i1] - (of::exp(((w.u8[i0*4+i1] - w.u9[i0]) - w.u11[i0])) * w.u12[i0]));
  {
    for (int r = 0; r < 5; r++) { D s0_0 = D_(0); D s0_1 = D_(0); D s0_2 = D_(0); D s1_0 = D_(0); D s1_1 = D_(0); D s1_2 = D_(0); D s2_0 = D_(0); D s2_1 = D_(0); D s2_2 = D_(0); D s3_0 = D_(0); D s3_1 = D_(0); D s3_2 = D_(0); for (int k = 0; k < 4; k++) { D a0 = w.u13[(r*4)*4+k]; D a1 = w.u13[(r*4+1)*4+k]; D a2 = w.u13[(r*4+2)*4+k]; D a3 = w.u13[(r*4+3)*4+k]; { D b = w.t2[k*3]; s0_0 += a0 * b; s1_0 += a1 * b; s2_0 += a2 * b; s3_0 += a3 * b; } { D b = w.t2[k*3+1]; s0_1 += a0 * b; s1_1 += a1 * b; s2_1 += a2 * b; s3_1 += a3 * b; } { D b = w.t2[k*3+2]; s0_2 += a0 * b; s1_2 += a1 * b; s2_2 += a2 * b; s3_2 += a3 * b; } } w.u14[(r*4)*3] = s0_0; w.u14[(r*4)*3+1] = s0_1; w.u14[(r*4)*3+2] = s0_2; w.u14[(r*4+1)*3] = s1_0; w.u14[(r*4+1)*3+1] = s1_1; w.u14[(r*4+1)*3+2] = s1_2; w.u14[(r*4+2)*3] = s2_0; w.u14[(r*4+2)*3+1] = s2_1; w.u14[(r*4+2)*3+2] = s2_2; w.u14[(r*4+3)*3] = s3_0; w.u14[(r*4+3)*3+1] = s3_1; w.u14[(r*4+3)*3+2] = s3_2; }
  }
  ROLLED for (int i0 = 0; i0 < 20; i0++) for (int i1 = 0; i1 < 3; i1++) w.u15[i0*3+i1] = (w.u14[i0*3+i1] * (D_(0x1.0000000000000p+0) - (w.u7[i0*3+i1] * w.u7[i0*3+i1])));
  {
    { D s0_0 = D_(0); D s0_1 = D_(0); D s1_0 = D_(0); D s1_1 = D_(0); D s2_0 = D_(0); D s2_1 = D_(0); ROLLED for (int k = 0; k < 20; k++) { D a0 = w.u15[k*3]; D a1 = w.u15[k*3+1]; D a2 = w.u15[k*3+2]; { D b = w.f_batch_inputs_6[k*2]; s0_0 += a0 * b; s1_0 += a1 * b; s2_0 += a2 * b; } { D b = w.f_batch_inputs_6[k*2+1]; s0_1 += a0 * b; s1_1 += a1 * b; s2_1 += a2 * b; } } w.u16[0] = s0_0; w.u16[1] = s0_1; w.u16[2] = s1_0; w.u16[3] = s1_1; w.u16[4] = s2_0; w.u16[5] = s2_1; }
  }
  w.u17[0] = (w.u2[0] * D_(0x1.0000000000000p+1));
  w.u18[0] = (w.u17[0] * w.t5[0]);
  w.u19[0] = of::square_root(w.u18[0]);
  for (int i1 = 0; i1 < 3; i1++) { D sum0 = D_(0); D sum1 = D_(0); D sum2 = D_(0); D sum3 = D_(0);  { ROLLED for (int i0 = 0; i0 < 20; i0 += 4) { sum0 += w.u15[(i0+0)*3+i1]; sum1 += w.u15[(i0+1)*3+i1]; sum2 += w.u15[(i0+2)*3+i1]; sum3 += w.u15[(i0+3)*3+i1]; }  } w.u20[i1] = (sum0 + sum1) + (sum2 + sum3); }
  {
    { D s0_0 = D_(0); D s0_1 = D_(0); D s0_2 = D_(0); D s1_0 = D_(0); D s1_1 = D_(0); D s1_2 = D_(0); D s2_0 = D_(0); D s2_1 = D_(0); D s2_2 = D_(0); D s3_0 = D_(0); D s3_1 = D_(0); D s3_2 = D_(0); ROLLED for (int k = 0; k < 20; k++) { D a0 = w.u13[k*4]; D a1 = w.u13[k*4+1]; D a2 = w.u13[k*4+2]; D a3 = w.u13[k*4+3]; { D b = w.u7[k*3]; s0_0 += a0 * b; s1_0 += a1 * b; s2_0 += a2 * b; s3_0 += a3 * b; } { D b = w.u7[k*3+1]; s0_1 += a0 * b; s1_1 += a1 * b; s2_1 += a2 * b; s3_1 += a3 * b; } { D b = w.u7[k*3+2]; s0_2 += a0 * b; s1_2 += a1 * b; s2_2 += a2 * b; s3_2 += a3 * b; } } w.u21[0] = s0_0; w.u21[1] = s0_1; w.u21[2] = s0_2; w.u21[3] = s1_0; w.u21[4] = s1_1; w.u21[5] = s1_2; w.u21[6] = s2_0; w.u21[7] = s2_1; w.u21[8] = s2_2; w.u21[9] = s3_0; w.u21[10] = s3_1; w.u21[11] = s3_2; }
  }
  for (int i1 = 0; i1 < 4; i1++) { D sum0 = D_(0); D sum1 = D_(0); D sum2 = D_(0); D sum3 = D_(0);  { ROLLED for (int i0 = 0; i0 < 20; i0 += 4) { sum0 += w.u13[(i0+0)*4+i1]; sum1 += w.u13[(i0+1)*4+i1]; sum2 += w.u13[(i0+2)*4+i1]; sum3 += w.u13[(i0+3)*4+i1]; }  } w.u22[i1] = (sum0 + sum1) + (sum2 + sum3); }
  for (int i0 = 0; i0 < 3; i0++) for (int i1 = 0; i1 < 2; i1++) w.t0[i0*2+i1] = ((w.t0[i0*2+i1] - (w.u2[0] * w.u16[i0*2+i1])) + (w.u19[0] * (w.f_normal_0_0_weight_8[i0*2+i1] + w.f_normal_1_0_weight_12[i0*2+i1])));
  for (int i0 = 0; i0 < 3; i0++) w.t1[i0] = ((w.t1[i0] - (w.u2[0] * w.u20[i0])) + (w.u19[0] * (w.f_normal_0_0_bias_9[i0] + w.f_normal_1_0_bias_13[i0])));
  for (int i0 = 0; i0 < 4; i0++) for (int i1 = 0; i1 < 3; i1++) w.t2[i0*3+i1] = ((w.t2[i0*3+i1] - (w.u2[0] * w.u21[i0*3+i1])) + (w.u19[0] * (w.f_normal_0_2_weight_10[i0*3+i1] + w.f_normal_1_2_weight_14[i0*3+i1])));
  for (int i0 = 0; i0 < 4; i0++) w.t3[i0] = ((w.t3[i0] - (w.u2[0] * w.u22[i0])) + (w.u19[0] * (w.f_normal_0_2_bias_11[i0] + w.f_normal_1_2_bias_15[i0])));


  D doubt = D_(0);
  F doubt_single = F_(0);
  for (int i = 0; i < 6; i++) doubt += w.t0[i] * D_(0);
  for (int i = 0; i < 3; i++) doubt += w.t1[i] * D_(0);
  for (int i = 0; i < 12; i++) doubt += w.t2[i] * D_(0);
  for (int i = 0; i < 4; i++) doubt += w.t3[i] * D_(0);
  doubt += to_D(doubt_single);
  if (doubt != doubt) {
    if (!gone) {
      gone = true;
      call.diverged_at[row[l]] = step + 1;
    }
    for (int i = 0; i < 6; i++) ((NumberD*)&w.t0[i])[l] = NAN;
    for (int i = 0; i < 3; i++) ((NumberD*)&w.t1[i])[l] = NAN;
    for (int i = 0; i < 12; i++) ((NumberD*)&w.t2[i])[l] = NAN;
    for (int i = 0; i < 4; i++) ((NumberD*)&w.t3[i])[l] = NAN;
  }
  }
  store(w.t0, (double*)call.slots[0], 6, row, used);
  store(w.t1, (double*)call.slots[1], 3, row, used);
  store(w.t2, (double*)call.slots[2], 12, row, used);
  store(w.t3, (double*)call.slots[3], 4, row, used);
}
