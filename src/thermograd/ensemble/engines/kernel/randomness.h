// Random numbers and minibatches: the same draws as thermograd.numerics.philox and thermograd.minibatching.

namespace {

enum Stream : uint32_t { MINIBATCH = 1, DYNAMICS = 2 };

#if FEATURES
using Word = uint32_t;
DEVICE inline Word product_high(Word a, uint32_t b) { return uint64_t(a) * b >> 32; }
#else
// A 32-bit word a lane. Products of 64 bits run in two halves, of the even and of the odd lanes.
typedef uint32_t Word __attribute__((vector_size(4 * LANES)));
typedef uint64_t WideWord __attribute__((vector_size(4 * LANES)));
DEVICE inline Word product_high(Word a, uint32_t b) {
  WideWord even = ((WideWord)a & 0xffffffffu) * uint64_t(b), odd = ((WideWord)a >> 32) * uint64_t(b);
  return (Word)(even >> 32 | (odd & 0xffffffff00000000u));
}
#endif
DEVICE inline Word word_of(uint32_t x) { return Word{} + x; }
DEVICE inline Word words_of(const uint32_t* x) { Word r; memcpy(&r, x, sizeof r); return r; }

// The whole part of w n / 2^32 for w random words: uniform in 0 ... n - 1; n up to `LARGEST`.
template <int LARGEST> DEVICE inline Word scaled(Word w, uint32_t n) {
  if (LARGEST > 65536) return product_high(w, n);
  return ((w >> 16) * n + ((w & 0xffffu) * n >> 16)) >> 16;
}

struct Words { Word word[4]; };

// Philox4x32-10 of one counter a lane; only the trajectory differs between lanes.
DEVICE inline Words philox(const uint32_t* key, uint32_t block, uint32_t step, const uint32_t* trajectory, uint32_t purpose) {
  uint32_t low = key[0], high = key[1];
#if FEATURES
  Word a = block, b = step, c = *trajectory, d = purpose;
  for (int round = 0; round < 10; round++, low += 0x9E3779B9u, high += 0xBB67AE85u) {
    uint64_t first = uint64_t(a) * 0xD2511F53u, second = uint64_t(c) * 0xCD9E8D57u;
    a = uint32_t(second >> 32) ^ b ^ low, b = uint32_t(second);
    c = uint32_t(first >> 32) ^ d ^ high, d = uint32_t(first);
  }
  return {{a, b, c, d}};
#else
  const WideWord lower = WideWord{} + 0xffffffffu, own = (WideWord)words_of(trajectory);
  WideWord a[2], b[2], c[2] = {own & lower, own >> 32}, d[2];
  for (int half = 0; half < 2; half++) a[half] = WideWord{} + block, b[half] = WideWord{} + step, d[half] = WideWord{} + purpose;
  for (int round = 0; round < 10; round++, low += 0x9E3779B9u, high += 0xBB67AE85u)
    for (int half = 0; half < 2; half++) {
      WideWord first = a[half] * uint64_t(0xD2511F53u), second = c[half] * uint64_t(0xCD9E8D57u);
      a[half] = (second >> 32) ^ b[half] ^ uint64_t(low), b[half] = second & lower;
      c[half] = (first >> 32) ^ d[half] ^ uint64_t(high), d[half] = first & lower;
    }
  return {{(Word)(a[0] | a[1] << 32), (Word)(b[0] | b[1] << 32), (Word)(c[0] | c[1] << 32), (Word)(d[0] | d[1] << 32)}};
#endif
}

// Normals by Box and Muller, two a block, in float64.
DEVICE inline void normals(D* out, int count, const uint32_t* key, uint32_t step, const uint32_t* trajectory, uint32_t draw) {
  for (int pair = 0; 2 * pair < count; pair++) {
    Words words = philox(key, pair, step, trajectory, DYNAMICS + 256 * draw);
    uint32_t word[4][LANES];
    memcpy(word, words.word, sizeof word);
    alignas(64) double fractions[2][LANES];
    for (int half = 0; half < 2; half++)
      for (int l = 0; l < LANES; l++) {
        uint64_t wide = (uint64_t(word[2 * half][l]) << 32 | word[2 * half + 1][l]) >> 11;
        fractions[half][l] = (double(int64_t(wide)) + 0.5) * 0x1p-53;
      }
    D u, v;
    memcpy(&u, fractions[0], sizeof u);
    memcpy(&v, fractions[1], sizeof v);
    D radius = of::square_root(D_(-2) * of::log(u));
    out[2 * pair] = radius * of::cos_two_pi(v);
    if (2 * pair + 1 < count) out[2 * pair + 1] = radius * of::sin_two_pi(v);
  }
}

template <bool SMALL> struct PlaceOf { using type = uint16_t; };
template <> struct PlaceOf<false> { using type = uint32_t; };
template <int SAMPLES> using Place = typename PlaceOf<(SAMPLES <= 65536)>::type;

// Where the position i is exchanged with: for `count` positions from `first` on.
template <int SAMPLES>
DEVICE inline void exchanges(Word* other, int first, int count, const uint32_t* key, uint32_t step, const uint32_t* trajectory) {
  for (int block = first / 4; 4 * block < first + count; block++) {
    Words words = philox(key, block, step, trajectory, MINIBATCH);
    for (int j = 0; j < 4; j++) {
      int i = 4 * block + j;
      if (i >= first && i < first + count)
        other[i - first] = scaled<SAMPLES>(words.word[j], uint32_t(SAMPLES - i)) + uint32_t(i);
    }
  }
}

// A permutation a lane, made by the Fisher-Yates loop as far as it is asked for.
template <int SAMPLES, int SIZE> struct Permutations {
  Place<SAMPLES> place[LANES][SAMPLES];
  alignas(Word) uint32_t other[SIZE][LANES];

  DEVICE void identity() {
    for (int l = 0; l < LANES; l++)
      for (int i = 0; i < SAMPLES; i++) place[l][i] = static_cast<Place<SAMPLES>>(i);
  }

  // Positions first to last, at most SIZE; what ends up there goes to `chosen`.
  DEVICE void shuffle(int first, int last, const uint32_t* key, uint32_t step, const uint32_t* trajectory,
               int32_t (*chosen)[LANES]) {
    exchanges<SAMPLES>(reinterpret_cast<Word*>(other), first, last - first, key, step, trajectory);
    for (int l = 0; l < LANES; l++)
      for (int i = first; i < last; i++) {
        Place<SAMPLES> there = place[l][other[i - first][l]];
        place[l][other[i - first][l]] = place[l][i];
        chosen[i - first][l] = there;
      }
  }

  // The first positions of a fresh permutation; the identity is there again afterwards.
  DEVICE void distinct(const uint32_t* key, uint32_t step, const uint32_t* trajectory, int32_t (*chosen)[LANES]) {
    exchanges<SAMPLES>(reinterpret_cast<Word*>(other), 0, SIZE, key, step, trajectory);
    for (int l = 0; l < LANES; l++) {
      for (int i = 0; i < SIZE; i++) {
        chosen[i][l] = place[l][other[i][l]];
        place[l][other[i][l]] = place[l][i];
      }
      for (int i = 0; i < SIZE; i++) {
        place[l][i] = static_cast<Place<SAMPLES>>(i);
        place[l][other[i][l]] = static_cast<Place<SAMPLES>>(other[i][l]);
      }
    }
  }
};

// The same without a table, by looking back: position i was last changed by the latest earlier exchange with it.
template <int SAMPLES, int SIZE>
DEVICE inline void few_distinct(const uint32_t* key, uint32_t step, const uint32_t* trajectory, int32_t (*chosen)[LANES]) {
  Word other[SIZE], here[SIZE];
  exchanges<SAMPLES>(other, 0, SIZE, key, step, trajectory);
  for (int i = 0; i < SIZE; i++) {
    Word position = word_of(i), there = other[i];
    here[i] = position;
    for (int j = 0; j < i; j++) {
      here[i] = other[j] == position ? here[j] : here[i];
      there = other[j] == other[i] ? here[j] : there;
    }
    memcpy(chosen[i], &there, sizeof there);
  }
}

template <int SAMPLES, int SIZE>
DEVICE inline void independent(const uint32_t* key, uint32_t step, const uint32_t* trajectory, int32_t (*chosen)[LANES]) {
  for (int block = 0; 4 * block < SIZE; block++) {
    Words words = philox(key, block, step, trajectory, MINIBATCH);
    for (int j = 0; j < 4 && 4 * block + j < SIZE; j++) {
      Word place = scaled<SAMPLES>(words.word[j], SAMPLES);
      memcpy(chosen[4 * block + j], &place, sizeof place);
    }
  }
}

// Whether w < limit, a whole number up to 2^32.
DEVICE inline I below(Word w, uint64_t limit) {
  if (limit > 0xffffffffu) return B_(true);
#if FEATURES
  return B_(w < uint32_t(limit));
#else
  return __builtin_convertvector(w < word_of(uint32_t(limit)), I);
#endif
}

// Samples that enter the batch and leave it by chance, each for itself.
template <int SAMPLES>
DEVICE inline void persist(I* selected, const uint32_t* key, uint32_t step, const uint32_t* trajectory, uint64_t enter,
                    uint64_t leave) {
  for (int block = 0; 4 * block < SAMPLES; block++) {
    Words words = philox(key, block, step, trajectory, MINIBATCH);
    for (int j = 0; j < 4 && 4 * block + j < SAMPLES; j++) {
      I& here = selected[4 * block + j];
      here = select(here, opposite(below(words.word[j], leave)), below(words.word[j], enter));
    }
  }
}

// Rows of the data chosen by each lane, lanes side by side.
template <int SIZE, int ROW, class V, class Number>
DEVICE inline void gather(V* out, const Number* data, const int32_t (*chosen)[LANES]) {
  Number* numbers = reinterpret_cast<Number*>(out);
  for (int j = 0; j < SIZE; j++)
    for (int l = 0; l < LANES; l++) {
      const Number* row = data + int64_t(chosen[j][l]) * ROW;
      for (int k = 0; k < ROW; k++) numbers[(j * ROW + k) * LANES + l] = row[k];
    }
}

// Numbers of the trajectories `row`, stored one after another, to lanes and back; repeated lanes are not stored.
template <class V, class Number> DEVICE inline void load(V* lanes, const Number* stored, int count, const int64_t* row) {
  Number* numbers = reinterpret_cast<Number*>(lanes);
  for (int l = 0; l < LANES; l++)
    for (int i = 0; i < count; i++) numbers[i * LANES + l] = stored[row[l] * count + i];
}
template <class V, class Number>
DEVICE inline void store(const V* lanes, Number* stored, int count, const int64_t* row, int used) {
  const Number* numbers = reinterpret_cast<const Number*>(lanes);
  for (int l = 0; l < used; l++)
    for (int i = 0; i < count; i++) stored[row[l] * count + i] = numbers[i * LANES + l];
}

}  // namespace
