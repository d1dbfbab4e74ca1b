// The frame of a kernel for a GPU, one trajectory a thread; what begins with a dollar is printed for each experiment
// (lower_cuda.py). With __global__, __device__ and the indices of threads defined, it is C++ as well.
#define FEATURES 1  // single numbers
$headers
$sampling
static_assert(sizeof(Sampler) == $sampler_bytes, "the host makes room for this many bytes a thread");

struct Call {
  int64_t members, first, steps;
  const uint32_t* trajectory;
  void* slots[$slots];
  const void* arrays[$arrays];
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
$fields
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
  F doubt_single = F_(0);
$finite
  doubt += to_D(doubt_single);
  if (doubt != doubt) {
    if (!gone) {
      gone = true;
      call.diverged_at[row[l]] = step + 1;
    }
$gone
  }
  }
$store
}
