// The elementary functions of vector_math.h, by those that CUDA has itself (errors: CUDA C++ Programming Guide,
// mathematical functions; at most 2 ulp here, pow aside).
namespace thermograd {

#define OF_CUDA(name, single, twice) \
  DEVICE inline float name(float x) { return single; } \
  DEVICE inline double name(double x) { return twice; }
OF_CUDA(exp, ::expf(x), ::exp(x))
OF_CUDA(log, ::logf(x), ::log(x))
OF_CUDA(log1p, ::log1pf(x), ::log1p(x))
OF_CUDA(expm1, ::expm1f(x), ::expm1(x))
OF_CUDA(tanh, ::tanhf(x), ::tanh(x))
OF_CUDA(sin, ::sinf(x), ::sin(x))
OF_CUDA(cos, ::cosf(x), ::cos(x))
OF_CUDA(erf, ::erff(x), ::erf(x))
OF_CUDA(square_root, ::sqrtf(x), ::sqrt(x))
OF_CUDA(reciprocal_square_root, ::rsqrtf(x), ::rsqrt(x))
OF_CUDA(sin_two_pi, ::sinpif(2 * x), ::sinpi(2 * x))
OF_CUDA(cos_two_pi, ::cospif(2 * x), ::cospi(2 * x))
#undef OF_CUDA
DEVICE inline float pow(float x, float y) { return ::powf(x, y); }
DEVICE inline double pow(double x, double y) { return ::pow(x, y); }

// 1 / (1 + exp(-x)), by the exponential that does not overflow.
template <class N> DEVICE inline N sigmoid(N x) {
  N z = exp(x < 0 ? x : -x);
  return (x < 0 ? z : N(1)) / (N(1) + z);
}

}  // namespace thermograd

namespace of = thermograd;
