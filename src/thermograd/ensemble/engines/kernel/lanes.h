// Lanes: one number of each of LANES trajectories, in a vector type of the compiler. F float32, D float64, I whole
// numbers and truth values (all bits set: true). Written with operators and the functions below, the same text
// serves every width, pairs of vectors (float64 beside float32) and single numbers (FEATURES: one trajectory).
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#define DEVICE  // where functions are marked that also run on a GPU (scalars.h)

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

namespace {

#if FEATURES
constexpr int LANES = 1;
using F = float;
using D = double;
using I = int64_t;
using IntegerOfData = int64_t;
#elif HAS_FLOAT32
constexpr int LANES = VECTOR_BYTES / 4;
typedef float F __attribute__((vector_size(VECTOR_BYTES)));
typedef double HalfD __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t I __attribute__((vector_size(VECTOR_BYTES)));
typedef int64_t HalfI __attribute__((vector_size(VECTOR_BYTES)));
typedef float HalfF __attribute__((vector_size(VECTOR_BYTES / 2)));
typedef int32_t HalfI32 __attribute__((vector_size(VECTOR_BYTES / 2)));
using IntegerOfData = int32_t;
struct D { HalfD low, high; };
#else
constexpr int LANES = VECTOR_BYTES / 8;
typedef double D __attribute__((vector_size(VECTOR_BYTES)));
typedef int64_t I __attribute__((vector_size(VECTOR_BYTES)));
using F = D;  // never used
using IntegerOfData = int64_t;
#endif

inline I I_(int64_t x) { return I{} + static_cast<IntegerOfData>(x); }
inline I B_(bool x) { return I_(-int(x)); }

#if FEATURES
// Vectors of consecutive elements, for products of matrices.
typedef float WideFloat __attribute__((vector_size(VECTOR_BYTES)));
typedef double WideDouble __attribute__((vector_size(VECTOR_BYTES)));
template <class N> using Wide = typename std::conditional<sizeof(N) == 4, WideFloat, WideDouble>::type;
template <class N> constexpr int WIDTH = VECTOR_BYTES / sizeof(N);
template <class N> inline Wide<N> wide(const N* x) { Wide<N> r; memcpy(&r, x, sizeof r); return r; }
template <class N> inline void put(N* x, Wide<N> v) { memcpy(x, &v, sizeof v); }
inline float total(WideFloat v) { float s = 0; for (int l = 0; l < WIDTH<float>; l++) s += v[l]; return s; }
inline double total(WideDouble v) { double s = 0; for (int l = 0; l < WIDTH<double>; l++) s += v[l]; return s; }
inline F F_(float x) { return x; }
inline D D_(double x) { return x; }
template <class V> inline V select(I mask, V yes, V no) { return mask ? yes : no; }
#define COMPARISON(name, sign) template <class V> inline I name(V a, V b) { return -(I)(a sign b); }
inline float to_F(double x) { return static_cast<float>(x); }
inline float to_F(int64_t x) { return static_cast<float>(x); }
inline double to_D(float x) { return x; }
inline double to_D(int64_t x) { return static_cast<double>(x); }
#else
template <class V> inline V select(I mask, V yes, V no) { return mask ? yes : no; }
#define COMPARISON(name, sign) template <class V> inline I name(V a, V b) { return (I)(a sign b); }
#if HAS_FLOAT32
inline F F_(float x) { return F{} + x; }
inline D D_(double x) { return {HalfD{} + x, HalfD{} + x}; }
inline D operator+(D a, D b) { return {a.low + b.low, a.high + b.high}; }
inline D operator-(D a, D b) { return {a.low - b.low, a.high - b.high}; }
inline D operator*(D a, D b) { return {a.low * b.low, a.high * b.high}; }
inline D operator/(D a, D b) { return {a.low / b.low, a.high / b.high}; }
inline D operator-(D a) { return {-a.low, -a.high}; }
inline D& operator+=(D& a, D b) { return a = a + b; }
inline HalfI32 lower(I x) { HalfI32 r; memcpy(&r, &x, sizeof r); return r; }
inline HalfI32 upper(I x) { HalfI32 r; memcpy(&r, reinterpret_cast<char*>(&x) + sizeof r, sizeof r); return r; }
inline I joined(HalfI low, HalfI high) {
  HalfI32 parts[2] = {__builtin_convertvector(low, HalfI32), __builtin_convertvector(high, HalfI32)};
  I r;
  memcpy(&r, parts, sizeof r);
  return r;
}
inline D select(I mask, D yes, D no) {
  HalfI low = __builtin_convertvector(lower(mask), HalfI), high = __builtin_convertvector(upper(mask), HalfI);
  return {low ? yes.low : no.low, high ? yes.high : no.high};
}
inline F to_F(D x) {
  HalfF parts[2] = {__builtin_convertvector(x.low, HalfF), __builtin_convertvector(x.high, HalfF)};
  F r;
  memcpy(&r, parts, sizeof r);
  return r;
}
inline F to_F(I x) { return __builtin_convertvector(x, F); }
inline D to_D(F x) {
  HalfF parts[2];
  memcpy(parts, &x, sizeof x);
  return {__builtin_convertvector(parts[0], HalfD), __builtin_convertvector(parts[1], HalfD)};
}
inline D to_D(I x) { return {__builtin_convertvector(lower(x), HalfD), __builtin_convertvector(upper(x), HalfD)}; }
#define COMPARISON_OF_PAIRS(name, sign) \
  inline I name(D a, D b) { return joined((HalfI)(a.low sign b.low), (HalfI)(a.high sign b.high)); }
COMPARISON_OF_PAIRS(eq, ==)
COMPARISON_OF_PAIRS(ne, !=)
COMPARISON_OF_PAIRS(lt, <)
COMPARISON_OF_PAIRS(le, <=)
COMPARISON_OF_PAIRS(gt, >)
COMPARISON_OF_PAIRS(ge, >=)
#else
inline D D_(double x) { return D{} + x; }
inline D to_D(I x) { return __builtin_convertvector(x, D); }
#endif
#endif
COMPARISON(eq, ==)
COMPARISON(ne, !=)
COMPARISON(lt, <)
COMPARISON(le, <=)
COMPARISON(gt, >)
COMPARISON(ge, >=)

template <class V> V number_like(V, double x);
template <> inline D number_like(D, double x) { return D_(x); }
template <> inline I number_like(I, double x) { return I_(static_cast<int64_t>(x)); }
#if FEATURES || HAS_FLOAT32
template <> inline F number_like(F, double x) { return F_(static_cast<float>(x)); }
inline F truth_F(I mask) { return select(mask, F_(1), F_(0)); }
#endif
inline D truth_D(I mask) { return select(mask, D_(1), D_(0)); }
inline I truth_I(I mask) { return select(mask, I_(1), I_(0)); }
template <class V> inline I to_bool(V x) { return ne(x, number_like(x, 0)); }

inline I both(I a, I b) { return a & b; }
inline I either(I a, I b) { return a | b; }
inline I opposite(I a) { return ~a; }
template <class V> inline I is_nan(V x) { return ne(x, x); }
template <class V> inline V larger(V a, V b) { return select(either(gt(a, b), is_nan(a)), a, b); }
template <class V> inline V smaller(V a, V b) { return select(either(lt(a, b), is_nan(a)), a, b); }
template <class V> inline V absolute(V x) { return select(lt(x, number_like(x, 0)), -x, x + number_like(x, 0)); }
template <class V> inline V sign_of(V x) {
  V one = number_like(x, 1), zero = number_like(x, 0);
  return select(gt(x, zero), one, select(lt(x, zero), -one, select(is_nan(x), x, zero)));
}

#if !FEATURES && HAS_FLOAT32
#define OF_PAIRS(name) \
  inline D name(D x) { return {thermograd::name(x.low), thermograd::name(x.high)}; }
#define OF_PAIRS_2(name) \
  inline D name(D x, D y) { return {thermograd::name(x.low, y.low), thermograd::name(x.high, y.high)}; }
#define OF_VECTORS(name) \
  inline F name(F x) { return thermograd::name(x); }
#define OF_VECTORS_2(name) \
  inline F name(F x, F y) { return thermograd::name(x, y); }
#else
#define OF_PAIRS(name) \
  template <class V> inline V name(V x) { return thermograd::name(x); }
#define OF_PAIRS_2(name) \
  template <class V> inline V name(V x, V y) { return thermograd::name(x, y); }
#define OF_VECTORS(name)
#define OF_VECTORS_2(name)
#endif
namespace of {
OF_PAIRS(exp) OF_VECTORS(exp)
OF_PAIRS(log) OF_VECTORS(log)
OF_PAIRS(log1p) OF_VECTORS(log1p)
OF_PAIRS(expm1) OF_VECTORS(expm1)
OF_PAIRS(tanh) OF_VECTORS(tanh)
OF_PAIRS(sigmoid) OF_VECTORS(sigmoid)
OF_PAIRS(sin) OF_VECTORS(sin)
OF_PAIRS(cos) OF_VECTORS(cos)
OF_PAIRS(erf) OF_VECTORS(erf)
OF_PAIRS(square_root) OF_VECTORS(square_root)
OF_PAIRS(reciprocal_square_root) OF_VECTORS(reciprocal_square_root)
OF_PAIRS(sin_two_pi) OF_VECTORS(sin_two_pi)
OF_PAIRS(cos_two_pi) OF_VECTORS(cos_two_pi)
OF_PAIRS_2(pow) OF_VECTORS_2(pow)
}  // namespace of

}  // namespace
