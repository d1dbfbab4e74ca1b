// temporary
#include <cmath>
#include <type_traits>
namespace thermograd {
template<class T> struct S_ { static constexpr int n = 1; };
#define M1(name, f) template<class V> inline V name(V x){ if constexpr (std::is_arithmetic<V>::value) return f(x); else { V r; for (unsigned i=0;i<sizeof(V)/sizeof(x[0]);i++) r[i]=f(x[i]); return r; } }
inline double sg(double x){return 1/(1+std::exp(-x));} inline double rs(double x){return 1/std::sqrt(x);} inline double s2(double x){return std::sin(6.283185307179586*x);} inline double c2(double x){return std::cos(6.283185307179586*x);}
M1(exp,std::exp) M1(log,std::log) M1(log1p,std::log1p) M1(expm1,std::expm1) M1(tanh,std::tanh) M1(sigmoid,sg) M1(sin,std::sin) M1(cos,std::cos) M1(erf,std::erf) M1(square_root,std::sqrt) M1(reciprocal_square_root,rs) M1(sin_two_pi,s2) M1(cos_two_pi,c2)
template<class V> inline V pow(V x, V y){ if constexpr (std::is_arithmetic<V>::value) return std::pow(x,y); else { V r; for (unsigned i=0;i<sizeof(V)/sizeof(x[0]);i++) r[i]=std::pow(x[i],y[i]); return r; } }
}
