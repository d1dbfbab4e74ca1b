/* The 1-2-1 tanh network by hand, float32: lanes are trajectories, each with its own generator and permutation.

   One lane group trains all its steps before the next one starts. A batch is made by Fisher-Yates from a permutation
   that is carried on, at its front (with replacement, distinct) or as the epoch goes on (without). The loops over lanes
   are for the compiler: gathers, scatters and the vector tanh of libmvec where there are such. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES 16
#define WEIGHTS 7
#define INLINE static inline __attribute__((always_inline))

typedef float real __attribute__((vector_size(4 * LANES)));
typedef int32_t whole __attribute__((vector_size(4 * LANES)));
typedef uint32_t word __attribute__((vector_size(4 * LANES)));

typedef struct {
    const float *x, *y;
    int32_t samples, batch;
    float rate, scale, decay;
} task;

INLINE real tanh_of(real argument) {
    real result;
    for (int lane = 0; lane < LANES; lane++) result[lane] = tanhf(argument[lane]);
    return result;
}

INLINE real picked(const float *table, whole index) {
    int32_t at[LANES];
    float found[LANES];
    real result;
    memcpy(at, &index, sizeof at);
    for (int lane = 0; lane < LANES; lane++) found[lane] = table[at[lane]];
    memcpy(&result, found, sizeof result);
    return result;
}

/* The next word of every lane's xorshift, as a number in [0, 1) with 24 bits. */
INLINE real uniform(word *state) {
    word bits = *state;
    bits ^= bits << 13;
    bits ^= bits >> 17;
    bits ^= bits << 5;
    *state = bits;
    return __builtin_convertvector((whole)(bits >> 8), real) * 0x1p-24f;
}

/* Puts a random one of the samples at or after `position` there; `order` is (sample, lane). */
INLINE whole drawn(word *state, int32_t *order, int32_t position, int32_t samples) {
    whole other = position + __builtin_convertvector(uniform(state) * (float)(samples - position), whole);
    whole chosen, column = other * LANES, *here = (whole *)order + position;
    int32_t at[LANES], found[LANES], kept[LANES];
    for (int lane = 0; lane < LANES; lane++) column[lane] += lane;
    memcpy(at, &column, sizeof at);
    memcpy(kept, here, sizeof kept);
    for (int lane = 0; lane < LANES; lane++) found[lane] = order[at[lane]];
#pragma GCC ivdep
    for (int lane = 0; lane < LANES; lane++) order[at[lane]] = kept[lane];
    memcpy(&chosen, found, sizeof chosen);
    *here = chosen;
    return chosen;
}

typedef struct {
    real sum[WEIGHTS];
} slope;

INLINE void add_sample(slope *gradient, const real *w, const task *given, whole index) {
    real x = picked(given->x, index);
    real first = tanh_of(w[0] * x + w[2]), second = tanh_of(w[1] * x + w[3]);
    real error = w[4] * first + w[5] * second + w[6] - picked(given->y, index);
    real back_first = error * w[4] * (1 - first * first), back_second = error * w[5] * (1 - second * second);
    gradient->sum[0] += back_first * x;
    gradient->sum[1] += back_second * x;
    gradient->sum[2] += back_first;
    gradient->sum[3] += back_second;
    gradient->sum[4] += error * first;
    gradient->sum[5] += error * second;
    gradient->sum[6] += error;
}

INLINE void update(real *w, const slope *gradient, const task *given) {
    float factor = given->rate * 2 * given->scale / (float)given->batch;
    float shrink = 1 - 2 * given->rate * given->decay;
    for (int k = 0; k < WEIGHTS; k++) w[k] = shrink * w[k] - factor * gradient->sum[k];
}

/* weights (group, weight, lane), states (group, lane), orders (group, sample, lane). */
void train(const task *given, real *weights, word *states, int32_t *orders, int64_t groups, int64_t start,
           int64_t steps, int32_t reshuffled) {
    int64_t a_round = given->samples / given->batch;
    for (int64_t group = 0; group < groups; group++) {
        real w[WEIGHTS];
        word state = states[group];
        int32_t *order = orders + group * given->samples * LANES;
        for (int k = 0; k < WEIGHTS; k++) w[k] = weights[group * WEIGHTS + k];
        for (int64_t step = start; step < start + steps; step++) {
            int32_t first = reshuffled ? (int32_t)(step % a_round) * given->batch : 0;
            slope gradient = {0};
            for (int32_t position = first; position < first + given->batch; position++)
                add_sample(&gradient, w, given, drawn(&state, order, position, given->samples));
            update(w, &gradient, given);
        }
        for (int k = 0; k < WEIGHTS; k++) weights[group * WEIGHTS + k] = w[k];
        states[group] = state;
    }
}

/* One update with given samples (group, sample of the batch, lane). */
void train_given(const task *given, real *weights, const whole *indices, int64_t groups) {
    for (int64_t group = 0; group < groups; group++) {
        slope gradient = {0};
        real *w = weights + group * WEIGHTS;
        for (int32_t k = 0; k < given->batch; k++)
            add_sample(&gradient, w, given, indices[group * given->batch + k]);
        update(w, &gradient, given);
    }
}

/* The samples of the next steps of one lane group, (step, sample of the batch, lane), without training. */
void draw(const task *given, word *state, int32_t *order, int64_t steps, int32_t reshuffled, whole *indices) {
    for (int64_t step = 0; step < steps; step++) {
        int32_t first = reshuffled ? (int32_t)(step % (given->samples / given->batch)) * given->batch : 0;
        for (int32_t k = 0; k < given->batch; k++)
            indices[step * given->batch + k] = drawn(state, order, first + k, given->samples);
    }
}
