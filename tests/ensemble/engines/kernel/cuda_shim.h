// What CUDA C++ has beyond C++, so that a compiler for the processor takes a kernel.
#include <cmath>
#include <cstdint>

#define __global__
#define __device__

struct Three { unsigned x = 0, y = 0, z = 0; };
inline thread_local Three threadIdx, blockIdx, blockDim, gridDim;

inline double sinpi(double x) { return std::sin(3.14159265358979323846 * x); }
inline double cospi(double x) { return std::cos(3.14159265358979323846 * x); }
inline float sinpif(float x) { return float(sinpi(x)); }
inline float cospif(float x) { return float(cospi(x)); }
inline double rsqrt(double x) { return 1 / std::sqrt(x); }
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
