// One trajectory a thread: what lanes.h does for vectors, for single numbers. Truth values have all bits set.
#ifdef __CUDACC_RTC__  // has no headers of its own
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#ifndef NAN
#define NAN __int_as_float(0x7fffffff)
#endif
#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif
#else
#include <cmath>
#include <cstdint>
#include <cstring>
#endif
#define DEVICE __device__
#ifdef __CUDACC__  // long loops stay loops: unrolled, they take minutes to compile
#define ROLLED _Pragma("unroll 1")
#else
#define ROLLED
#endif
namespace {

constexpr int LANES = 1;
using F = float;
using D = double;
using I = int64_t;
using IntegerOfData = int64_t;

DEVICE inline I I_(int64_t x) { return x; }
DEVICE inline I B_(bool x) { return -int64_t(x); }
DEVICE inline F F_(float x) { return x; }
DEVICE inline D D_(double x) { return x; }
DEVICE inline F to_F(double x) { return static_cast<float>(x); }
DEVICE inline F to_F(int64_t x) { return static_cast<float>(x); }
DEVICE inline D to_D(float x) { return x; }
DEVICE inline D to_D(int64_t x) { return static_cast<double>(x); }
DEVICE inline F truth_F(I mask) { return mask ? 1 : 0; }
DEVICE inline D truth_D(I mask) { return mask ? 1 : 0; }
DEVICE inline I truth_I(I mask) { return mask ? 1 : 0; }
template <class V> DEVICE inline I to_bool(V x) { return B_(x != 0); }
template <class V> DEVICE inline V select(I mask, V yes, V no) { return mask ? yes : no; }

template <class V> DEVICE inline I eq(V a, V b) { return B_(a == b); }
template <class V> DEVICE inline I ne(V a, V b) { return B_(a != b); }
template <class V> DEVICE inline I lt(V a, V b) { return B_(a < b); }
template <class V> DEVICE inline I le(V a, V b) { return B_(a <= b); }
template <class V> DEVICE inline I gt(V a, V b) { return B_(a > b); }
template <class V> DEVICE inline I ge(V a, V b) { return B_(a >= b); }

DEVICE inline I both(I a, I b) { return a & b; }
DEVICE inline I either(I a, I b) { return a | b; }
DEVICE inline I opposite(I a) { return ~a; }
template <class V> DEVICE inline I is_nan(V x) { return B_(x != x); }
template <class V> DEVICE inline V larger(V a, V b) { return a > b || a != a ? a : b; }
template <class V> DEVICE inline V smaller(V a, V b) { return a < b || a != a ? a : b; }
template <class V> DEVICE inline V absolute(V x) { return x < 0 ? -x : x + V(0); }
template <class V> DEVICE inline V sign_of(V x) { return x > 0 ? V(1) : x < 0 ? V(-1) : x != x ? x : V(0); }

}  // namespace
