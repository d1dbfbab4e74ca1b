// Random numbers and minibatches: the same draws as thermograd.numerics.philox and thermograd.minibatching.

namespace {

enum Stream : uint32_t { MINIBATCH = 1, DYNAMICS = 2 };

struct Words { uint32_t word[4][LANES]; };

// Philox4x32-10 of one counter a lane; only the trajectory differs between lanes.
inline Words philox(const uint32_t* key, uint32_t block, uint32_t step, const uint32_t* trajectory, uint32_t purpose) {
  uint32_t a[LANES], b[LANES], c[LANES], d[LANES];
  for (int l = 0; l < LANES; l++) a[l] = block, b[l] = step, c[l] = trajectory[l], d[l] = purpose;
  uint32_t low = key[0], high = key[1];
  for (int round = 0; round < 10; round++, low += 0x9E3779B9u, high += 0xBB67AE85u)
    for (int l = 0; l < LANES; l++) {
      uint64_t first = uint64_t(a[l]) * 0xD2511F53u, second = uint64_t(c[l]) * 0xCD9E8D57u;
      a[l] = uint32_t(second >> 32) ^ b[l] ^ low;
      b[l] = uint32_t(second);
      c[l] = uint32_t(first >> 32) ^ d[l] ^ high;
      d[l] = uint32_t(first);
    }
  Words words;
  memcpy(words.word[0], a, sizeof a);
  memcpy(words.word[1], b, sizeof b);
  memcpy(words.word[2], c, sizeof c);
  memcpy(words.word[3], d, sizeof d);
  return words;
}

// Normals by Box and Muller, two a block, in float64.
inline void normals(D* out, int count, const uint32_t* key, uint32_t step, const uint32_t* trajectory, uint32_t draw) {
  for (int pair = 0; 2 * pair < count; pair++) {
    Words words = philox(key, pair, step, trajectory, DYNAMICS + 256 * draw);
    alignas(64) double fractions[2][LANES];
    for (int half = 0; half < 2; half++)
      for (int l = 0; l < LANES; l++) {
        uint64_t wide = (uint64_t(words.word[2 * half][l]) << 32 | words.word[2 * half + 1][l]) >> 11;
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

template <int SAMPLES> using Place = typename std::conditional<(SAMPLES <= 65536), uint16_t, uint32_t>::type;

// A permutation a lane, made by the Fisher-Yates loop as far as it is asked for.
template <int SAMPLES> struct Permutations {
  Place<SAMPLES> place[SAMPLES][LANES];

  void identity() {
    for (int i = 0; i < SAMPLES; i++)
      for (int l = 0; l < LANES; l++) place[i][l] = static_cast<Place<SAMPLES>>(i);
  }

  // Positions first to last with their words; what ends up there goes to `chosen` unless that is null.
  void shuffle(int first, int last, const uint32_t* key, uint32_t step, const uint32_t* trajectory,
               int32_t (*chosen)[LANES]) {
    Words words;
    for (int i = first; i < last; i++) {
      if (i == first || i % 4 == 0) words = philox(key, i / 4, step, trajectory, MINIBATCH);
      const uint32_t* word = words.word[i % 4];
      uint32_t other[LANES];
      for (int l = 0; l < LANES; l++) other[l] = i + uint32_t(uint64_t(word[l]) * uint32_t(SAMPLES - i) >> 32);
      for (int l = 0; l < LANES; l++) {
        Place<SAMPLES> here = place[i][l], there = place[other[l]][l];
        place[other[l]][l] = here;
        if (chosen) chosen[i - first][l] = there;
      }
    }
  }

  // The first `size` positions of a fresh permutation; the identity is there again afterwards.
  template <int SIZE> void distinct(const uint32_t* key, uint32_t step, const uint32_t* trajectory,
                                    int32_t (*chosen)[LANES]) {
    uint32_t touched[SIZE][LANES];
    for (int block = 0; 4 * block < SIZE; block++) {
      Words words = philox(key, block, step, trajectory, MINIBATCH);
      for (int j = 0; j < 4 && 4 * block + j < SIZE; j++) {
        int i = 4 * block + j;
        for (int l = 0; l < LANES; l++)
          touched[i][l] = i + uint32_t(uint64_t(words.word[j][l]) * uint32_t(SAMPLES - i) >> 32);
      }
    }
    for (int i = 0; i < SIZE; i++)
      for (int l = 0; l < LANES; l++) {
        Place<SAMPLES> there = place[touched[i][l]][l];
        place[touched[i][l]][l] = place[i][l];
        chosen[i][l] = there;
      }
    for (int i = 0; i < SIZE; i++)
      for (int l = 0; l < LANES; l++) {
        place[i][l] = static_cast<Place<SAMPLES>>(i);
        place[touched[i][l]][l] = static_cast<Place<SAMPLES>>(touched[i][l]);
      }
  }
};

template <int SAMPLES, int SIZE>
inline void independent(const uint32_t* key, uint32_t step, const uint32_t* trajectory, int32_t (*chosen)[LANES]) {
  for (int block = 0; 4 * block < SIZE; block++) {
    Words words = philox(key, block, step, trajectory, MINIBATCH);
    for (int j = 0; j < 4 && 4 * block + j < SIZE; j++)
      for (int l = 0; l < LANES; l++)
        chosen[4 * block + j][l] = int32_t(uint64_t(words.word[j][l]) * uint32_t(SAMPLES) >> 32);
  }
}

// Rows of the data chosen by each lane, lanes side by side.
template <int SIZE, int ROW, class V, class Number>
inline void gather(V* out, const Number* data, const int32_t (*chosen)[LANES]) {
  Number* numbers = reinterpret_cast<Number*>(out);
  for (int j = 0; j < SIZE; j++)
    for (int l = 0; l < LANES; l++) {
      const Number* row = data + int64_t(chosen[j][l]) * ROW;
      for (int k = 0; k < ROW; k++) numbers[(j * ROW + k) * LANES + l] = row[k];
    }
}

// Numbers of the trajectories `row`, stored one after another, to lanes and back; repeated lanes are not stored.
template <class V, class Number> inline void load(V* lanes, const Number* stored, int count, const int64_t* row) {
  Number* numbers = reinterpret_cast<Number*>(lanes);
  for (int l = 0; l < LANES; l++)
    for (int i = 0; i < count; i++) numbers[i * LANES + l] = stored[row[l] * count + i];
}
template <class V, class Number>
inline void store(const V* lanes, Number* stored, int count, const int64_t* row, int used) {
  const Number* numbers = reinterpret_cast<const Number*>(lanes);
  for (int l = 0; l < used; l++)
    for (int i = 0; i < count; i++) stored[row[l] * count + i] = numbers[i * LANES + l];
}

}  // namespace
