// Elementary functions of numbers and of vectors of numbers, without intrinsics and without a library: the same text
// for float and double and for every width, and what a lane gets does not depend on its neighbours. Largest errors are
// in units of the last place (ulp) of the true value, over the whole range, as the test measures them for
// (float, double). Polynomials are minimax fits of the functions named. Nothing here may be compiled with fast-math.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

namespace thermograd {

template <class V, bool SCALAR = std::is_arithmetic<V>::value> struct Kind {
  using Number = V;
  using Int = typename std::conditional<sizeof(V) == 4, int32_t, int64_t>::type;
  static Int convert(V x) { return static_cast<Int>(x); }
  static V back(Int x) { return static_cast<V>(x); }
};
template <class V> struct Kind<V, false> {
  using Number = typename std::decay<decltype(std::declval<V&>()[0])>::type;
  using Int = decltype(std::declval<V>() < std::declval<V>());
  static Int convert(V x) { return __builtin_convertvector(x, Int); }
  static V back(Int x) { return __builtin_convertvector(x, V); }
};
template <class V> using Number = typename Kind<V>::Number;
template <class V> using Int = typename Kind<V>::Int;
template <class V> constexpr bool single = sizeof(Number<V>) == 4;

template <class V> inline Int<V> bits(V x) { Int<V> r; memcpy(&r, &x, sizeof r); return r; }
template <class V> inline V from_bits(Int<V> x) { V r; memcpy(&r, &x, sizeof r); return r; }
template <class V> inline V splat(double x) { return V{} + static_cast<Number<V>>(x); }
template <class V> inline V no_less(V x, double low) { return x < splat<V>(low) ? splat<V>(low) : x; }
template <class V> inline V no_more(V x, double high) { return x > splat<V>(high) ? splat<V>(high) : x; }
template <class V> inline V magnitude(V x) { return from_bits<V>(bits(x) & (single<V> ? 0x7fffffff : 0x7fffffffffffffff)); }
template <class V> inline V with_sign_of(V x, V sign) {
  Int<V> top = Int<V>{} + (single<V> ? static_cast<int64_t>(INT32_MIN) : INT64_MIN);
  return from_bits<V>((bits(x) & ~top) | (bits(sign) & top));
}
template <class V, class Function> inline V each(V x, Function f) {
  if constexpr (std::is_arithmetic<V>::value) return f(x);
  else {
    V r;
    for (unsigned i = 0; i < sizeof(V) / sizeof(Number<V>); i++) r[i] = f(x[i]);
    return r;
  }
}
template <class I> inline bool any(I mask) {
  if constexpr (std::is_arithmetic<I>::value) return mask;
  else {
    bool found = false;
    for (unsigned i = 0; i < sizeof(I) / sizeof(mask[0]); i++) found |= mask[i] != 0;
    return found;
  }
}

// c[0] + c[1] x + ...
template <class V, int N> inline V polynomial(V x, const double (&c)[N]) {
  V r = splat<V>(c[N - 1]);
  for (int i = N - 2; i >= 0; i--) r = r * x + splat<V>(c[i]);
  return r;
}

// The nearest whole number, ties to even, of |x| below 2^22 or 2^51: by adding what leaves no room for a fraction.
template <class V> inline V nearest(V x, Int<V>& whole) {
  const V shift = splat<V>(single<V> ? 0x1.8p23 : 0x1.8p52);
  V moved = x + shift;
  whole = bits(moved) - bits(shift);
  return moved - shift;
}

// 2^n for exponents of normal numbers.
template <class V> inline V power_of_two(Int<V> n) {
  return single<V> ? from_bits<V>((n + 127) << 23) : from_bits<V>((n + 1023) << 52);
}

// x = n ln 2 + r with |r| <= ln 2 / 2; returns exp(r) - 1 by a polynomial of degree 6 (float) or 11.
template <class V> inline V exponent(V x, Int<V>& n) {
  V whole = nearest(x * splat<V>(1.4426950408889634), n);
  V r = x - whole * splat<V>(single<V> ? 0.693359375 : 6.93147180369123816490e-01);
  r = r - whole * splat<V>(single<V> ? -2.12194440e-4 : 1.90821492927058770002e-10);
  constexpr double coarse[] = {0.5, 0.16666540503501892, 0.04166627302765846, 0.008366910740733147, 0.0013946990948170424};
  constexpr double fine[] = {0.5000000000000006, 0.16666666666666688, 0.041666666666569915, 0.00833333333331385,
                             0.001388888893367349, 0.00019841269904842835, 2.4801502808816012e-05,
                             2.7557226179690247e-06, 2.7627005326718845e-07, 2.511507690442434e-08};
  V q;
  if constexpr (single<V>) q = polynomial(r, coarse); else q = polynomial(r, fine);
  return r + r * r * q;
}

// exp: 2^n exp(r), the power in two halves for results near the ends of the range. Error (1.0, 1.0).
template <class V> inline V exp(V x) {
  x = no_less(no_more(x, single<V> ? 89.0 : 710.0), single<V> ? -104.0 : -746.0);
  Int<V> n;
  V r = exponent(x, n);
  Int<V> half = n >> 1;
  return (splat<V>(1) + r) * power_of_two<V>(half) * power_of_two<V>(n - half);
}

// exp(x) - 1 = (2^h (exp(r) - 1) + 2^h - 2^(h-n)) 2^(n-h). Error (1.6, 1.8).
template <class V> inline V expm1(V x) {
  V tame = no_less(no_more(x, single<V> ? 89.0 : 710.0), single<V> ? -20.0 : -40.0);
  Int<V> n;
  V r = exponent(tame, n);
  Int<V> half = n >> 1;
  V scale = power_of_two<V>(half);
  V y = (scale * r + (scale - power_of_two<V>(half - n))) * power_of_two<V>(n - half);
  return x == splat<V>(0) ? x : y;
}

// log(x + low), low below an ulp of x: x = 2^n m, m in (sqrt(1/2), sqrt(2)); in t = m - 1 a polynomial of degree 11
// (float), or 2 atanh(t / (2 + t)) as in fdlibm.
template <class V> inline V log_of_sum(V x, V low) {
  constexpr int fraction = single<V> ? 23 : 52;
  constexpr int64_t root = single<V> ? 0x3f3504f3 : 0x3fe6a09e667f3bcd;
  Int<V> raw = bits(x), n = (raw - static_cast<Number<Int<V>>>(root)) >> fraction;
  V m = from_bits<V>(raw - (n << fraction));
  Int<V> down = n > 60 ? Int<V>{} + 60 : n;  // beyond, low is nothing beside x
  V t = (m - splat<V>(1)) + low * power_of_two<V>(-down);
  V count = Kind<V>::back(n), square = t * t;
  V high = count * splat<V>(single<V> ? 0.693359375 : 6.93147180369123816490e-01);
  V rest = count * splat<V>(single<V> ? -2.12194440e-4 : 1.90821492927058770002e-10);
  if constexpr (single<V>) {
    constexpr double c[] = {0.3333331048488617, -0.24999986588954926, 0.20002226531505585, -0.16669251024723053,
                            0.14218670129776, -0.12384339421987534, 0.118728868663311, -0.11789829030010773,
                            0.06915591657161713};
    V y = square * t * polynomial(t, c) + rest;
    return high + (t + (y - splat<V>(0.5) * square));
  } else {
    constexpr double c[] = {0.6666666666666666, 0.40000000000006697, 0.28571428568941043, 0.2222222266865598,
                            0.18181773913797017, 0.1538716743808942, 0.13248387500384967, 0.13267078222262968};
    V s = t / (splat<V>(2) + t), z = s * s, h = splat<V>(0.5) * square;
    return high - ((h - (s * (h + z * polynomial(z, c)) + rest)) - t);
  }
}

template <class V> inline V log_at_the_ends(V y, V x) {
  const V zero = splat<V>(0), infinite = splat<V>(HUGE_VAL);
  y = x == infinite ? infinite : y;
  y = x == zero ? -infinite : y;
  return x >= zero ? y : splat<V>(NAN);
}

// log, subnormal numbers scaled up first. Error (1.0, 0.8).
template <class V> inline V log(V x) {
  const V tiny = splat<V>(single<V> ? 0x1p-126 : 0x1p-1022);
  auto small = x < tiny;
  V y = log_of_sum(small ? x * splat<V>(single<V> ? 0x1p24 : 0x1p54) : x, splat<V>(0));
  y = small ? y - splat<V>(single<V> ? 16.635532333438686 : 37.42994775023705) : y;
  return log_at_the_ends(y, x);
}

// log(1 + x), with what the sum loses by rounding. Error (1.4, 1.4).
template <class V> inline V log1p(V x) {
  const V one = splat<V>(1);
  V sum = one + x, back = sum - one;
  V y = log_of_sum(sum, (one - (sum - back)) + (x - back));
  V ended = log_at_the_ends(y, sum);
  return magnitude(x) < splat<V>(single<V> ? 0x1p-25 : 0x1p-54) ? x : ended;
}

// tanh = e / (e + 2), e = expm1(2|x|). Error (2.5, 2.5).
template <class V> inline V tanh(V x) {
  V a = no_more(magnitude(x), single<V> ? 10.0 : 22.0);
  Int<V> n;
  V r = exponent(a + a, n), scale = power_of_two<V>(n);
  V e = scale * r + (scale - splat<V>(1));
  return with_sign_of(e / (e + splat<V>(2)), x);
}

// 1 / (1 + exp(-x)), by the exponential that does not overflow. Error (2.3, 2.4).
template <class V> inline V sigmoid(V x) {
  V z = exp(-magnitude(x));
  return (x < splat<V>(0) ? z : splat<V>(1)) / (splat<V>(1) + z);
}

// sin and cos of r, |r| <= pi/4, chosen and signed by the quadrant.
template <class V> inline V sine_in_quadrant(V r, Int<V> quadrant) {
  constexpr double sf[] = {-0.16666655242443085, 0.008332155644893646, -0.0001951411395566538};
  constexpr double cf[] = {0.04166664555668831, -0.0013887338573113084, 2.443494668113999e-05};
  constexpr double sd[] = {-0.1666666666666663, 0.008333333333321884, -0.0001984126982936239,
                           2.755731353090398e-06, -2.5050731991463378e-08, 1.5895233129189905e-10};
  constexpr double cd[] = {0.041666666666666595, -0.001388888888887351, 2.4801587289067145e-05,
                           -2.755731422472297e-07, 2.0875705008983825e-09, -1.1358659656195686e-11};
  V z = r * r, s, c;
  if constexpr (single<V>) s = polynomial(z, sf), c = polynomial(z, cf);
  else s = polynomial(z, sd), c = polynomial(z, cd);
  s = r + r * z * s;
  c = splat<V>(1) - (splat<V>(0.5) * z - z * z * c);
  V y = (quadrant & 1) == 0 ? s : c;
  return (quadrant & 2) == 0 ? y : -y;
}

// x - n pi/2 with pi/2 in four parts, products with n < 2^12 (float) or 2^20 exact.
template <class V> inline V quarter_turns_off(V x, Int<V>& n) {
  constexpr double coarse[] = {1.5703125, 4.837512969970703125e-4, 7.549533620476723e-08, 2.563344151594519e-12};
  constexpr double fine[] = {1.57079632673412561417e+00, 6.07710050630396597660e-11, 2.02226624871116645580e-21,
                             8.47842766036889956997e-32};
  V whole = nearest(x * splat<V>(0.6366197723675814), n), r = x;
  for (int i = 0; i < 4; i++) r = r - whole * splat<V>(single<V> ? coarse[i] : fine[i]);
  return r;
}

// sin and cos; lanes beyond 1000 (float) or 1e5 one by one through the C library. Error (1.5, 1.7).
template <class V> inline V sine(V x, int ahead, Number<V> (*exact)(Number<V>)) {
  Int<V> n;
  V r = quarter_turns_off(x, n);
  V y = sine_in_quadrant(r, n + ahead);
  auto far = magnitude(x) > splat<V>(single<V> ? 1e3 : 1e5);
  return __builtin_expect(any(far), 0) ? (far ? each(x, exact) : y) : y;
}
template <class V> inline V sin(V x) { return x == splat<V>(0) ? x : sine(x, 0, std::sin); }
template <class V> inline V cos(V x) { return sine(x, 1, std::cos); }

// sin(2 pi v) in v itself: 4v = n + f exactly, then polynomials in f of degree 9 (float) or 15. Error (1.7, 1.6).
template <class V> inline V sine_of_turns(V v, int ahead) {
  constexpr double sf[] = {1.5707963705062866, -0.6459640860557556, 0.07969257980585098, -0.004681264515966177,
                           0.0001582023105584085};
  constexpr double cf[] = {-1.2337005138397217, 0.25366950035095215, -0.020863469690084457, 0.0009191661374643445,
                           -2.4857339667505585e-05};
  constexpr double sd[] = {1.5707963267948966, -0.6459640975062463, 0.07969262624616692, -0.0046817541353147895,
                           0.00016044118472620367, -3.598842714139526e-06, 5.69192690189534e-08, -6.627508050719085e-10};
  constexpr double cd[] = {-1.2337005501361697, 0.25366950790104803, -0.020863480763352923, 0.0009192602748386108,
                           -2.5202042363319318e-05, 4.710874102548551e-07, -6.3863311031380095e-09, 6.507176180399315e-11};
  Int<V> n;
  V turns = splat<V>(4) * v, f = turns - nearest(turns, n), z = f * f, s, c;
  if constexpr (single<V>) s = polynomial(z, sf), c = polynomial(z, cf);
  else s = polynomial(z, sd), c = polynomial(z, cd);
  n = n + ahead;
  V y = (n & 1) == 0 ? f * s : splat<V>(1) + z * c;
  return (n & 2) == 0 ? y : -y;
}
template <class V> inline V sin_two_pi(V v) { return sine_of_turns(v, 0); }
template <class V> inline V cos_two_pi(V v) { return sine_of_turns(v, 1); }

// erf: x p(x^2) below 1, else 1 - exp(-x^2) g((x - 2) / (x + 2)), g fitted to erfc(x) exp(x^2). Error (2.2, 1.4).
template <class V> inline V erf(V x) {
  constexpr double nf[] = {1.1283791065216064, -0.3761262595653534, 0.11283591389656067, -0.0268540121614933,
                           0.005188611336052418, -0.000801182584837079, 7.856424053898081e-05};
  constexpr double nd[] = {1.1283791670955126, -0.3761263890318375, 0.11283791670954858, -0.026866170645072535,
                           0.005223977624773724, -0.0008548326978132281, 0.00012055331007726934,
                           -1.492559264751788e-05, 1.6460956617162058e-06, -1.634982917213856e-07,
                           1.465640598431601e-08, -1.1359399859949748e-09, 5.933748938373756e-11};
  constexpr double ff[] = {0.25539568066596985, -0.4271858334541321, 0.24165813624858856, -0.07897868007421494,
                           0.0037354209925979376, 0.006997740361839533, -0.0008797187474556267,
                           -0.0009587823296897113, 0.00018165039364248514};
  constexpr double fd[] = {0.25539567631050575, -0.4271858474139584, 0.24165819424246646, -0.07897858101573034,
                           0.0037328924043269988, 0.006997461739050039, -0.000847143250774894,
                           -0.0009819770209741547, 4.355559406666339e-05, 0.00017436105948210915,
                           2.7525685301646195e-05, -2.7578823680550875e-05, -1.3970672213890973e-05,
                           1.3880152181234153e-06, 3.805424553049723e-06, 1.180382282967739e-06,
                           -5.718021958098236e-07, -3.9146052109148186e-07};
  V a = no_more(magnitude(x), 6.0), z = a * a, s = (a - splat<V>(2)) / (a + splat<V>(2)), near, far;
  if constexpr (single<V>) near = polynomial(z, nf), far = polynomial(s, ff);
  else near = polynomial(z, nd), far = polynomial(s, fd);
  V y = a < splat<V>(1) ? a * near : splat<V>(1) - exp(-z) * far;
  return with_sign_of(y, x);
}

// Correctly rounded, and 1 / sqrt(x) (error 1.5).
template <class V> inline V square_root(V x) {
  return each(x, [](Number<V> one) { return single<V> ? Number<V>(__builtin_sqrtf(one)) : Number<V>(__builtin_sqrt(one)); });
}
template <class V> inline V reciprocal_square_root(V x) { return splat<V>(1) / square_root(x); }

// x to the power y, lane by lane through the C library.
template <class V> inline V pow(V x, V y) {
  if constexpr (std::is_arithmetic<V>::value) return std::pow(x, y);
  else {
    V r;
    for (unsigned i = 0; i < sizeof(V) / sizeof(Number<V>); i++) r[i] = std::pow(x[i], y[i]);
    return r;
  }
}

}  // namespace thermograd
