// What agents spend their time with, on the CPU, a run after the other and a few rows at a time, so that all between
// inputs and gradients stays in the cache. jsae/nn/mlp.py, jsae/nn/adam.py and jsae/agents say the same in batched
// operations, and are what a GPU runs; tests hold the two against each other. kernels.py compiles and calls it.
//
// A matrix product is made of pieces of ROWS x COLUMNS sums that stay in registers. Every sum runs in an order that
// depends on the shapes and on the width of the processor's vectors alone.

#include <stdint.h>

#ifdef __AVX512F__
static const long LANES = 16;  // of a Vector: what a register holds
#else
static const long LANES = 8;
#endif

typedef float Vector __attribute__((ext_vector_type(LANES)));
typedef int32_t Integers __attribute__((ext_vector_type(LANES)));
typedef bool Mask __attribute__((ext_vector_type(LANES)));

static const long COLUMNS = 2 * LANES;  // of a piece, in two Vectors
static const long ROWS = 6;             // of a piece
static const long DEPTH = 192;          // of a product before its sums go to memory
static const long NEAR = 128;           // columns of a factor that stays in the cache as it is; wider ones are packed
static const long FEW = 12;             // rows for which packing does not pay
static const long GROUP = 24;           // rows over thousands of classes that stay in the second cache together
static const long TILE = 48;            // rows that go through a network together
static const int LAYERS = 8;            // of a network, at most

// Until its end, this thread takes numbers below 1.2e-38 (denormal ones) for 0. Adam's first moments of a state that is
// no longer visited shrink to them, and Intel's processors are slow with them: an epoch of RA in the discrete gridworld
// took 160 ms in place of 70. A step that small changes no weight.
class NoDenormals {
#if defined(__x86_64__)
    unsigned before = __builtin_ia32_stmxcsr();

 public:
    NoDenormals() { __builtin_ia32_ldmxcsr(before | 0x8040); }
    ~NoDenormals() { __builtin_ia32_ldmxcsr(before); }
#elif defined(__aarch64__)
    uint64_t before;

 public:
    NoDenormals() {
        asm volatile("mrs %0, fpcr" : "=r"(before));
        asm volatile("msr fpcr, %0" : : "r"(before | 1u << 24) : "memory");
    }
    ~NoDenormals() { asm volatile("msr fpcr, %0" : : "r"(before) : "memory"); }
#else
 public:
    NoDenormals() {}
    ~NoDenormals() {}
#endif
};

// ---------------------------------------------------------------------------------------------------------- vectors

static inline long least(long a, long b) { return a < b ? a : b; }

static inline Vector all(float x) { return x; }

static inline Vector load(const float* from) {
    Vector v;
    __builtin_memcpy(&v, from, sizeof v);
    return v;
}

static inline void store(float* to, Vector v) { __builtin_memcpy(to, &v, sizeof v); }

static inline Mask first_lanes(long count) {
    Integers number;
    for (int i = 0; i < LANES; i++) number[i] = i;
    return __builtin_convertvector(number < (int32_t)count, Mask);
}

// The first `count` numbers, `fill` after them.
static inline Vector load_some(const float* from, long count, float fill) {
    return count >= LANES ? load(from) : __builtin_masked_load(first_lanes(count), from, all(fill));
}

static inline void store_some(float* to, Vector v, long count) {
    if (count >= LANES) return store(to, v);
    __builtin_masked_store(first_lanes(count), v, to);
}

static inline Vector larger(Vector a, Vector b) { return a < b ? b : a; }  // NaN stays NaN in a

static inline Vector root(Vector v) { return __builtin_elementwise_sqrt(v); }

// Sum and largest of a vector's numbers, half by half.
template <class Numbers>
static inline float sum(Numbers v) {
    if constexpr (sizeof v == sizeof(float))
        return v;
    else
        return sum(v.lo + v.hi);
}

template <class Numbers>
static inline float largest(Numbers v) {
    if constexpr (sizeof v == sizeof(float))
        return v;
    else
        return largest(v.lo > v.hi ? v.lo : v.hi);
}

// e^x = 2^n e^r, |r| <= ln 2 / 2, by the polynomial 1 + r + ... of degree 6 whose largest relative error, 3e-9, is
// least. Below e^-87 it is 0, so that nothing is denormal, which would be slow; NaN stays NaN, as it fails every
// comparison.
static inline Vector exponential(Vector x) {
    x = x > all(88.f) ? all(88.f) : x;
    // 1.5 * 2^23, added to which a number is rounded to an integer, and the exponent's 127, so that the last bits of
    // the sum are those that 2^n begins with.
    const Vector shift = all(12583039.f), shifted = x * all(1.44269504f) + shift, n = shifted - shift;
    const Vector r = (x - n * all(0.693145752f)) - n * all(1.42860677e-6f);
    Vector p = all(0.00138165428f);
    p = p * r + all(0.00836873528f);
    p = p * r + all(0.0416683593f);
    p = p * r + all(0.166665205f);
    p = p * r + all(0.499999935f);
    p = p * r + all(1.f);
    p = p * r + all(1.f);
    return x < all(-87.f) ? all(0) : p * (Vector)((Integers)shifted << 23);
}

// ln x of positive numbers: x = 2^n m, sqrt 1/2 <= m < sqrt 2, and ln m = 2 artanh s, s = (m - 1) / (m + 1), by its
// series.
static inline Vector logarithm(Vector x) {
    const Integers bits = (Integers)x - 0x3f3504f3;
    const Vector n = __builtin_convertvector(bits >> 23, Vector);
    const Vector m = (Vector)((bits & 0x007fffff) + 0x3f3504f3);
    const Vector s = (m - all(1.f)) / (m + all(1.f)), z = s * s;
    Vector p = all(2.f / 11);
    p = p * z + all(2.f / 9);
    p = p * z + all(2.f / 7);
    p = p * z + all(2.f / 5);
    p = p * z + all(2.f / 3);
    const Vector found = n * all(0.693147181f) + (s * all(2.f) + s * z * p);
    return x == x ? found : x;
}

// Off by 2e-7 at most.
static inline Vector hyperbolic_tangent(Vector x) { return all(1.f) - all(2.f) / (exponential(x + x) + all(1.f)); }

// -------------------------------------------------------------------------------------------------- matrix products

// c (+)= a b for R rows of a, whose element (m, k) lies at a[m * row + k * column], and a panel of V vectors a row.
template <int R, int V>
static inline void piece(long depth, const float* a, long row, long column, const float* panel, long panel_row,
                         float* c, long stride, long width, bool add) {
    Vector sums[R][V];
    for (int m = 0; m < R; m++)
        for (int v = 0; v < V; v++) sums[m][v] = all(0);
    for (long k = 0; k < depth; k++) {
        Vector b[V];
        for (int v = 0; v < V; v++) b[v] = load(panel + k * panel_row + v * LANES);
        for (int m = 0; m < R; m++) {
            Vector left = all(a[m * row + k * column]);
            for (int v = 0; v < V; v++) sums[m][v] += left * b[v];
        }
    }
    for (int m = 0; m < R; m++, c += stride) {
        if (width == V * LANES) {
            for (int v = 0; v < V; v++) store(c + v * LANES, add ? load(c + v * LANES) + sums[m][v] : sums[m][v]);
        } else {
            for (int v = 0; v < V; v++) {
                const long count = width - v * LANES;
                store_some(c + v * LANES, add ? load_some(c + v * LANES, count, 0) + sums[m][v] : sums[m][v], count);
            }
        }
    }
}

template <int V>
static void pieces(long rows, long depth, const float* a, long row, long column, const float* panel, long panel_row,
                   float* c, long stride, long width, bool add) {
    for (; rows >= ROWS; rows -= ROWS, a += ROWS * row, c += ROWS * stride)
        piece<ROWS, V>(depth, a, row, column, panel, panel_row, c, stride, width, add);
    switch (rows) {
        case 5:
            return piece<5, V>(depth, a, row, column, panel, panel_row, c, stride, width, add);
        case 4:
            return piece<4, V>(depth, a, row, column, panel, panel_row, c, stride, width, add);
        case 3:
            return piece<3, V>(depth, a, row, column, panel, panel_row, c, stride, width, add);
        case 2:
            return piece<2, V>(depth, a, row, column, panel, panel_row, c, stride, width, add);
        case 1:
            return piece<1, V>(depth, a, row, column, panel, panel_row, c, stride, width, add);
    }
}

// A panel of b [depth, columns], zeros where it has fewer columns.
static void pack_panel(long depth, long columns, long width, const float* b, float* panel) {
    for (long k = 0; k < depth; k++, b += columns, panel += COLUMNS) {
        store(panel, load_some(b, width, 0));
        store(panel + LANES, load_some(b + LANES, width > LANES ? width - LANES : 0, 0));
    }
}

// b as its panels, one after the other.
static void pack(long depth, long columns, const float* b, float* packed) {
    for (long first = 0; first < columns; first += COLUMNS)
        pack_panel(depth, columns, least(COLUMNS, columns - first), b + first, packed + first * depth);
}

// c (+)= a b: b is [depth, columns], row by row or packed, c [rows, columns]; of a see `piece`.
static void product(long rows, long depth, long columns, const float* a, long row, long column, const float* b,
                    bool packed, float* c, bool add) {
    float copy[DEPTH * COLUMNS];
    for (long from = 0; from < depth; from += DEPTH) {
        const long part = least(DEPTH, depth - from);
        for (long first = 0; first < columns; first += COLUMNS) {
            const long width = least(COLUMNS, columns - first);
            const float* panel = packed ? b + first * depth + from * COLUMNS : b + from * columns + first;
            long panel_row = packed ? COLUMNS : columns;
            if (!packed && (width < COLUMNS || (columns > NEAR && rows > FEW))) {
                pack_panel(part, columns, width, panel, copy);
                panel = copy;
                panel_row = COLUMNS;
            }
            (width > LANES ? pieces<2> : pieces<1>)(rows, part, a + from * column, row, column, panel, panel_row,
                                                    c + first, columns, width, add || from > 0);
        }
    }
}

// Products of R rows of a and two of b, of `depth` numbers each, which is whole vectors.
template <int R>
static inline void dot(long depth, const float* a, const float* b, long b_row, float* c, long stride, long width) {
    Vector sums[R][2];
    for (int m = 0; m < R; m++) sums[m][0] = sums[m][1] = all(0);
    for (long k = 0; k < depth; k += LANES) {
        const Vector first = load(b + k), second = load(b + b_row + k);
        for (int m = 0; m < R; m++) {
            const Vector left = load(a + m * depth + k);
            sums[m][0] += left * first;
            sums[m][1] += left * second;
        }
    }
    for (int m = 0; m < R; m++)
        for (int n = 0; n < width; n++) c[m * stride + n] = sum(sums[m][n]);
}

// c = a b^T: a is [rows, depth], b [columns, depth], c [rows, columns].
static void product_of_rows(long rows, long depth, long columns, const float* a, const float* b, float* c) {
    for (long r = 0, step; r < rows; r += step) {
        step = r + ROWS <= rows ? ROWS : 1;
        for (long n = 0; n < columns; n += 2) {
            const long width = least(2, columns - n);
            (step == ROWS ? dot<ROWS> : dot<1>)(depth, a + r * depth, b + n * depth, (width - 1) * depth,
                                                c + r * columns + n, columns, width);
        }
    }
}

static void transpose(long rows, long columns, const float* matrix, float* transposed) {
    for (long j = 0; j < columns; j++)
        for (long i = 0; i < rows; i++) *transposed++ = matrix[i * columns + j];
}

static void clear(float* x, long count) {
    for (long i = 0; i < count; i++) x[i] = 0;
}

static inline void add_row(float* to, const float* from, long count) {
    for (long i = 0; i < count; i++) to[i] += from[i];
}

// --------------------------------------------------------------------------------------------------------- networks

struct Network {
    int64_t layers;               // hidden layers and the output layer
    int64_t sizes[LAYERS + 1];    // inputs with those beside ids, hidden sizes, outputs
    int64_t offsets[LAYERS + 1];  // of each layer's weights in a run's parameters, its biases after them; of free ones
    int64_t table;                // rows of the first layer's weights that ids stand for; 0: there are no ids
    int64_t ids;                  // ids of a row of inputs
    int64_t relu;                 // 1: relu, 0: tanh
    int64_t stride;               // parameters of a run, free ones and padding included

    long outputs() const { return sizes[layers]; }
    long floats() const { return sizes[0] - table; }  // of a row of inputs
    const float* weights(const float* flat, long layer) const { return flat + offsets[layer]; }
    const float* biases(const float* flat, long layer) const {
        return flat + offsets[layer] + sizes[layer] * sizes[layer + 1];
    }
    bool wide(long layer) const { return sizes[layer + 1] > NEAR; }
};

// Rows of inputs, ids or floats or both.
struct Inputs {
    const float* floats;
    const int64_t* ids;

    Inputs from(const Network* net, long row) const {
        return {floats ? floats + row * net->floats() : 0, ids ? ids + row * net->ids : 0};
    }
};

struct Memory {
    float* next;

    float* take(long count) {
        float* taken = next;
        next += (count + LANES - 1) / LANES * LANES;
        return taken;
    }
};

// A network with parameters of one run, and buffers for a tile's way through it and back.
struct Passage {
    const Network* net;
    const float* flat;
    float* activations[LAYERS];  // of each layer, the outputs as they are
    float* transposed[LAYERS];   // weights, for the way back
    float* packed[LAYERS];       // wide weights, for the way there
    float *delta, *spare;

    Passage(const Network* net, long batch, Memory& memory) : net(net), flat(0) {
        long widest = 0;
        for (long layer = 0; layer < net->layers; layer++) {
            const long before = net->sizes[layer], size = net->sizes[layer + 1];
            activations[layer] = memory.take(TILE * size);
            transposed[layer] = memory.take((layer ? before : net->floats()) * size);
            const bool packs = net->wide(layer) && !(layer == 0 && net->table) && batch > FEW;
            packed[layer] = packs ? memory.take(before * (size + COLUMNS)) : 0;
            if (layer + 1 < net->layers && size > widest) widest = size;
        }
        delta = memory.take(TILE * widest);
        spare = memory.take(TILE * widest);
    }

    float* outputs() { return activations[net->layers - 1]; }

    // Go on with these parameters, which must not change before the next call, in the first `layers` layers.
    void with(const float* parameters, long layers, bool back) {
        flat = parameters;
        for (long layer = 0; layer < layers; layer++) {
            const long before = net->sizes[layer], size = net->sizes[layer + 1];
            const float* weights = net->weights(flat, layer);
            if (packed[layer]) pack(before, size, weights, packed[layer]);
            if (!back) continue;
            const long skipped = layer ? 0 : net->table;
            transpose(before - skipped, size, weights + skipped * size, transposed[layer]);
        }
    }

    // Through the first `layers` layers.
    void there(long rows, Inputs x, long layers) {
        for (long layer = 0; layer < layers; layer++) {
            const long before = net->sizes[layer], size = net->sizes[layer + 1];
            const float *weights = net->weights(flat, layer), *bias = net->biases(flat, layer);
            float* to = activations[layer];
            if (layer) {
                product(rows, before, size, activations[layer - 1], before, 1, packed[layer] ? packed[layer] : weights,
                        packed[layer] != 0, to, false);
            } else {
                if (x.ids) look_up(rows, size, x.ids, weights, to);
                if (net->floats())
                    product(rows, net->floats(), size, x.floats, net->floats(), 1,
                            packed[0] ? packed[0] : weights + net->table * size, packed[0] != 0, to, x.ids != 0);
            }
            activate(rows, size, to, bias, layer + 1 == net->layers);
        }
    }

    void there(long rows, Inputs x) { there(rows, x, net->layers); }

    // Back from `d`, the gradient of the sums of `layer`: adds to the parameters' gradients `grad` unless that is null,
    // writes that of the inputs' floats to `of_inputs` unless that is null.
    void back(long rows, Inputs x, long layer, const float* d, float* grad, float* of_inputs) {
        for (; layer >= 0; layer--) {
            const long before = net->sizes[layer], size = net->sizes[layer + 1], floats = net->floats();
            if (grad) {
                float *weights = grad + net->offsets[layer], *bias = weights + before * size;
                for (long r = 0; r < rows; r++) add_row(bias, d + r * size, size);
                if (layer) {
                    product(before, rows, size, activations[layer - 1], 1, before, d, false, weights, true);
                } else {
                    for (long r = 0; x.ids && r < rows; r++)
                        for (long k = 0; k < net->ids; k++)
                            add_row(weights + x.ids[r * net->ids + k] * size, d + r * size, size);
                    if (floats)
                        product(floats, rows, size, x.floats, 1, floats, d, false, weights + net->table * size, true);
                }
            }
            if (layer) {
                product(rows, size, before, d, size, 1, transposed[layer], false, spare, false);
                before_activation(rows * before, activations[layer - 1], spare);
                swap();
                d = delta;
            } else if (of_inputs) {
                product(rows, size, floats, d, size, 1, transposed[0], false, of_inputs, false);
            }
        }
    }

    // Output `columns[r]` of each row alone, where the last hidden layer has been reached.
    void chosen(long rows, const int64_t* columns, float* found) const {
        const long top = net->layers - 1, before = net->sizes[top], outputs = net->outputs();
        const float *h = activations[top - 1], *weights = net->weights(flat, top), *bias = net->biases(flat, top);
        for (long r = 0; r < rows; r++, h += before) {
            found[r] = bias[columns[r]];
            for (long i = 0; i < before; i++) found[r] += h[i] * weights[i * outputs + columns[r]];
        }
    }

    // Back from the gradients `d` of such outputs.
    void back_from_chosen(long rows, Inputs x, const int64_t* columns, const float* d, float* grad) {
        const long top = net->layers - 1, before = net->sizes[top], outputs = net->outputs();
        const float *h = activations[top - 1], *weights = net->weights(flat, top);
        float *grads = grad + net->offsets[top], *to = spare;
        for (long r = 0; r < rows; r++, h += before, to += before) {
            grads[before * outputs + columns[r]] += d[r];
            for (long i = 0; i < before; i++) {
                grads[i * outputs + columns[r]] += d[r] * h[i];
                to[i] = d[r] * weights[i * outputs + columns[r]];
            }
        }
        before_activation(rows * before, activations[top - 1], spare);
        swap();
        back(rows, x, top - 1, delta, grad, 0);
    }

    void swap() {
        float* other = spare;
        spare = delta;
        delta = other;
    }

    // The gradient of sums in place of that of their activations h.
    void before_activation(long count, const float* h, float* d) const {
        if (net->relu)
            for (long i = 0; i < count; i++) d[i] = h[i] <= 0 ? 0 : d[i];
        else
            for (long i = 0; i < count; i++) d[i] *= 1 - h[i] * h[i];
    }

 private:
    void look_up(long rows, long size, const int64_t* ids, const float* table, float* to) const {
        for (long r = 0; r < rows; r++, ids += net->ids, to += size) {
            for (long i = 0; i < size; i++) to[i] = table[ids[0] * size + i];
            for (long k = 1; k < net->ids; k++) add_row(to, table + ids[k] * size, size);
        }
    }

    void activate(long rows, long size, float* x, const float* bias, bool last) const {
        for (long r = 0; r < rows; r++, x += size) {
            for (long i = 0; i < size; i += LANES) {
                Vector v = load_some(x + i, size - i, 0) + load_some(bias + i, size - i, 0);
                if (!last) v = net->relu ? (v < all(0) ? all(0) : v) : hyperbolic_tangent(v);  // NaN stays NaN
                store_some(x + i, v, size - i);
            }
        }
    }
};

// ------------------------------------------------------------------------------------------------------------- Adam

// Parameters of a batch of runs of networks, and Adam's moments of them, [runs, stride] each. `rates` and `scales`
// [runs, steps] are the learning rate over 1 - beta1^t, and 1 / sqrt(1 - beta2^t).
struct Learner {
    const Network* net;
    float *flat, *first, *second;
    const float *rates, *scales;

    void step(long run, float rate, float scale, const float* grad) {
        float *p = flat + run * net->stride, *m = first + run * net->stride, *v = second + run * net->stride;
        for (long i = 0; i < net->stride; i++) {
            m[i] += (grad[i] - m[i]) * 0.1f;  // 1 - beta1, 1 - beta2 and epsilon are those of adam.Adam
            v[i] += (grad[i] * grad[i] - v[i]) * 0.001f;
            p[i] -= rate * m[i] / (__builtin_sqrtf(v[i]) * scale + 1e-8f);
        }
    }
};

// ---------------------------------------------------------------------------------------------------------- forward

// Outputs [runs, batch, outputs].
extern "C" void forward(const Network* net, int64_t runs, int64_t batch, const float* flat, const Inputs* x,
                        float* outputs, float* scratch) {
    Memory memory = {scratch};
    Passage passage(net, batch, memory);
    for (long run = 0; run < runs; run++) {
        passage.with(flat + run * net->stride, net->layers, false);
        for (long first = 0; first < batch; first += TILE) {
            const long rows = least(TILE, batch - first), place = run * batch + first;
            passage.there(rows, x->from(net, place));
            __builtin_memcpy(outputs + place * net->outputs(), passage.outputs(),
                             sizeof(float) * rows * net->outputs());
        }
    }
}

// -------------------------------------------------------------------------------------------------- full-batch steps

enum Loss { SQUARE, GAUSSIAN, SOFTMAX };  // of a critic; of a policy over points, over actions

struct Fit {
    Learner learner;
    int64_t loss, runs, batch, steps;
    Inputs x;
    const float* target;                // SQUARE: returns [runs, batch]. GAUSSIAN: points [runs, batch, outputs]
    const int64_t* chosen;              // SOFTMAX: actions [runs, batch]
    const float* advantage;             // of policies, [runs, batch]
    double clip;                        // of the surrogate objective; negative: the policy gradient
    double target_kl;                   // a run stops when its mean ln pi_old - ln pi exceeds it; negative: never
    float* old_log_p;                   // of policies, [runs, batch]: written at the first step
    double *first_loss, *entropy, *kl;  // [runs]; the last two of policies
    int64_t* taken;                     // steps of each run
};

// ln of the Gaussian density of each row's point.
static void gaussian(long rows, long size, const float* log_std, const float* points, const float* mean, float* log_p) {
    const float half_log_two_pi = 0.918938533f;
    for (long r = 0; r < rows; r++) {
        log_p[r] = 0;
        for (long d = 0; d < size; d++) {
            const float z = (*points++ - *mean++) * exponential(all(-log_std[d]))[0];
            log_p[r] += -0.5f * z * z - log_std[d] - half_log_two_pi;
        }
    }
}

// The gradient of sum weight * ln p, in place of the means.
static void gaussian_back(long rows, long size, const float* log_std, const float* points, const float* weight,
                          float* mean, float* grad_log_std) {
    for (long r = 0; r < rows; r++) {
        for (long d = 0; d < size; d++, mean++) {
            const float inverse = exponential(all(-log_std[d]))[0], z = (*points++ - *mean) * inverse;
            *mean = weight[r] * z * inverse;
            grad_log_std[d] += weight[r] * (z * z - 1);
        }
    }
}

// e^logit over the largest of them in place of logits, and the sum of these in `whole`; ln of the sum of e^logit.
static float exponentials(long size, float* x, float* whole) {
    const float nothing = -__builtin_inff();
    Vector top = all(nothing), total = all(0);
    for (long i = 0; i < size; i += LANES) {
        const Vector v = load_some(x + i, size - i, nothing);
        top = v > top ? v : top;
    }
    const float most = largest(top);
    for (long i = 0; i < size; i += LANES) {
        const Vector v = exponential(load_some(x + i, size - i, nothing) - all(most));
        store_some(x + i, v, size - i);
        total += v;
    }
    *whole = sum(total);
    return most + logarithm(all(*whole))[0];
}

// Probabilities in place of logits; ln of the sum of e^logit.
static float softmax(long size, float* x) {
    float whole;
    const float found = exponentials(size, x, &whole), scale = 1 / whole;
    for (long i = 0; i < size; i++) x[i] *= scale;
    return found;
}

// Actions [runs, batch] by inverting the softmax's cumulative distribution at `uniforms`.
extern "C" void choose(const Network* net, int64_t runs, int64_t batch, const float* flat, const Inputs* x,
                       const float* uniforms, int64_t* actions, float* scratch) {
    Memory memory = {scratch};
    Passage passage(net, batch, memory);
    const long outputs = net->outputs();
    for (long run = 0; run < runs; run++) {
        passage.with(flat + run * net->stride, net->layers, false);
        for (long first = 0; first < batch; first += TILE) {
            const long rows = least(TILE, batch - first), place = run * batch + first;
            passage.there(rows, x->from(net, place));
            for (long r = 0; r < rows; r++) {
                float *p = passage.outputs() + r * outputs, whole = 0, below = 0;
                softmax(outputs, p);
                for (long i = 0; i < outputs; i++) whole += p[i];
                long action = 0;
                for (below = p[0]; action < outputs - 1 && below <= uniforms[place + r] * whole; below += p[action])
                    action++;
                actions[place + r] = action;
            }
        }
    }
}

// The number of the column of `points` [runs, size, count] closest to each row of e [runs, batch, size], by
// `squares` [runs, count] - 2 e . points; the first of equals.
extern "C" void nearest(int64_t runs, int64_t batch, int64_t size, int64_t count, const float* e, const float* points,
                        const float* squares, int64_t* found) {
    for (long row = 0; row < runs * batch; row++, e += size) {
        const float *columns = points + row / batch * size * count, *norms = squares + row / batch * count;
        Vector best = all(__builtin_inff());
        Integers best_group = {}, group = {};
        for (long i = 0; i < count; i += LANES, group += 1) {
            Vector distance = load_some(norms + i, count - i, __builtin_inff());
            for (long d = 0; d < size; d++)
                distance -= all(2 * e[d]) * load_some(columns + d * count + i, count - i, 0);
            const Integers closer = distance < best;
            best = closer ? distance : best;
            best_group = closer ? group : best_group;
        }
        long at = 0;
        for (long lane = 0; lane < least(LANES, count); lane++) {
            const long place = best_group[lane] * LANES + lane;
            if (best[lane] < best[at % LANES] || (best[lane] == best[at % LANES] && place < at) || lane == 0)
                at = place;
        }
        found[row] = at;
    }
}

// ------------------------------------------------------------------------------------------------------- embeddings

// Rows of scores are whole vectors here: classes are added that every softmax gives 0. A softmax stays without its
// scale, 1 / sum, which goes to the other factor of each gradient: that is shorter.

static long padded(long count) { return (count + LANES - 1) / LANES * LANES; }

// Mean -ln of the softmax of an affine map, its biases in the last of its [inputs + 1, outputs] weights, at the `hot`
// targets of a row, [runs]; where wanted, its gradients.
extern "C" void cross_entropy(int64_t runs, int64_t batch, int64_t hot, int64_t inputs, int64_t outputs,
                              const float* weights, const float* x, const int64_t* targets, double* loss, float* grad,
                              float* of_x, float* scratch) {
    Memory memory = {scratch};
    const long depth = inputs + 1, width = padded(outputs), parameters = depth * outputs;
    float *table = memory.take(depth * width), *packed = memory.take(depth * (width + COLUMNS));
    float *grads = memory.take(depth * width), *scores = memory.take(GROUP * width);
    float *with_one = memory.take(GROUP * depth), scales[ROWS];
    const float share = 1.f / batch;
    for (long run = 0; run < runs; run++, weights += parameters) {
        for (long i = 0; i < depth; i++)
            for (long k = 0; k < width; k++)
                table[i * width + k] = k < outputs ? weights[i * outputs + k] : i < inputs ? 0 : -__builtin_inff();
        pack(depth, width, table, packed);
        if (grad) clear(grads, depth * width);
        loss[run] = 0;
        for (long first = 0; first < batch; first += GROUP) {
            const long rows = least(GROUP, batch - first);
            for (long from = 0; from < rows; from += ROWS) {  // few enough for the nearest cache
                const long few = least(ROWS, rows - from), place = run * batch + first + from;
                float *row = scores + from * width, *in = with_one + from * depth, whole;
                for (long r = 0; r < few; r++) {
                    for (long i = 0; i < inputs; i++) in[r * depth + i] = x[(place + r) * inputs + i];
                    in[r * depth + inputs] = 1;
                }
                product(few, depth, width, in, depth, 1, packed, true, row, false);
                for (long r = 0; r < few; r++, row += width, in += depth) {
                    const int64_t* ids = targets + (place + r) * hot;
                    float chosen = 0;
                    for (long k = 0; k < hot; k++) chosen += row[ids[k]];
                    loss[run] += (exponentials(width, row, &whole) - chosen / hot) * share;
                    for (long k = 0; k < hot; k++) row[ids[k]] -= whole / hot;
                    scales[r] = share / whole;
                    for (long i = 0; i < depth; i++) in[i] *= scales[r];
                }
                if (!grad) continue;
                product_of_rows(few, width, inputs, row - few * width, table, of_x + place * inputs);
                for (long i = 0; i < few * inputs; i++) of_x[place * inputs + i] *= scales[i / inputs];
            }
            if (grad) product(depth, rows, width, with_one, 1, depth, scores, false, grads, true);
        }
        if (!grad) continue;
        for (long i = 0; i < depth; i++, grad += outputs)
            __builtin_memcpy(grad, grads + i * width, sizeof(float) * outputs);
    }
}

// -ln of the softmax of negative distances at `target`, of a row of their squares. `whole` is the sum of e^-distance
// over that of the nearest. For the gradients, each of its terms over its distance replaces the square, less `whole` /
// distance at the target.
static float distance_softmax(long count, float* squares, long target, bool gradients, float* whole) {
    const Vector least_square = all(1e-12f);  // the root has no derivative at 0
    Vector closest = all(__builtin_inff()), total = all(0);
    for (long a = 0; a < count; a += LANES) {
        const Vector square = load(squares + a);
        closest = square < closest ? square : closest;
    }
    const Vector nearest = root(larger(all(-largest(-closest)), least_square));
    const float at_target = squares[target], distance_to_target = root(larger(all(at_target), least_square))[0];
    for (long a = 0; a < count; a += LANES) {
        const Vector square = load(squares + a), distance = root(larger(square, least_square));
        const Vector part = exponential(nearest - distance);
        total += part;
        if (gradients) store(squares + a, square > least_square ? part / distance : all(0));
    }
    *whole = sum(total);
    if (gradients && at_target > least_square[0]) squares[target] -= *whole / distance_to_target;
    return logarithm(all(*whole))[0] + distance_to_target - nearest[0];
}

// Mean -ln of the softmax of negative distances between points e [runs, batch, size] and a table [runs, count,
// size], at the targets [runs, batch]; where wanted, its gradients.
//
// ||e - t||^2 is the product of (-2 e, ||e||^2, 1) and (t, 1, ||t||^2). With w for what distance_softmax leaves, the
// gradients are made of sums of w, w t and w e.
extern "C" void distance_cross_entropy(int64_t runs, int64_t batch, int64_t size, int64_t count, const float* e,
                                       const float* table, const int64_t* targets, double* loss, float* grad_table,
                                       float* grad_e, float* scratch) {
    Memory memory = {scratch};
    const long depth = size + 2, sums = size + 1, width = padded(count);
    float *across = memory.take(depth * width), *packed = memory.take(depth * (width + COLUMNS));
    float *grads = memory.take(sums * width), *scores = memory.take(GROUP * width);
    float *left = memory.take(ROWS * depth), *scaled = memory.take(GROUP * sums), *found = memory.take(ROWS * sums);
    const float share = 1.f / batch;
    for (long run = 0; run < runs; run++, table += count * size) {
        clear(across, depth * width);
        float *ones = across + size * width, *squares = ones + width;
        for (long a = 0; a < width; a++) squares[a] = a < count ? 0 : __builtin_inff();
        for (long a = 0; a < count; a++) {
            ones[a] = 1;
            for (long d = 0; d < size; d++) {
                const float t = table[a * size + d];
                across[d * width + a] = t;
                squares[a] += t * t;
            }
        }
        pack(depth, width, across, packed);
        if (grad_table) clear(grads, sums * width);
        loss[run] = 0;
        for (long first = 0; first < batch; first += GROUP) {
            const long rows = least(GROUP, batch - first);
            for (long from = 0; from < rows; from += ROWS) {
                const long few = least(ROWS, rows - from), place = run * batch + first + from;
                const float* points = e + place * size;
                float *row = scores + from * width, *scales = scaled + from * sums, whole;
                for (long r = 0; r < few; r++) {
                    float *to = left + r * depth, square = 0;
                    for (long d = 0; d < size; d++) {
                        to[d] = -2 * points[r * size + d];
                        square += points[r * size + d] * points[r * size + d];
                    }
                    to[size] = square;
                    to[size + 1] = 1;
                }
                product(few, depth, width, left, depth, 1, packed, true, row, false);
                for (long r = 0; r < few; r++) {
                    loss[run] +=
                        distance_softmax(width, row + r * width, targets[place + r], grad_table != 0, &whole) * share;
                    for (long d = 0; d < size; d++) scales[r * sums + d] = points[r * size + d] * share / whole;
                    scales[r * sums + size] = share / whole;
                }
                if (!grad_table) continue;
                product_of_rows(few, width, sums, row, across, found);
                for (long r = 0; r < few; r++) {
                    const float *of_row = found + r * sums, pull = of_row[size], scale = scales[r * sums + size];
                    for (long d = 0; d < size; d++)
                        grad_e[(place + r) * size + d] = (of_row[d] - pull * points[r * size + d]) * scale;
                }
            }
            if (grad_table) product(sums, rows, width, scaled, 1, sums, scores, false, grads, true);
        }
        if (!grad_table) continue;
        for (long a = 0; a < count; a++)
            for (long d = 0; d < size; d++)
                *grad_table++ = grads[d * width + a] - grads[size * width + a] * table[a * size + d];
    }
}

// What a policy minimises on a row, and its derivative in ln pi, over `batch` rows.
static double surrogate(const Fit* fit, float log_p, float old_log_p, float advantage, float* weight) {
    const float share = 1.f / fit->batch;
    if (fit->clip < 0) {
        *weight = -advantage * share;
        return -(double)log_p * advantage * share;
    }
    const float ratio = exponential(all(log_p - old_log_p))[0], low = 1 - fit->clip, high = 1 + fit->clip;
    const float clipped = ratio < low ? low : ratio > high ? high : ratio;
    const bool held = clipped != ratio && clipped * advantage <= ratio * advantage;
    *weight = held ? 0 : -ratio * advantage * share;
    return -(double)(held ? clipped : ratio) * advantage * share;
}

// A pass over a run's batch: its loss, the sum of ln pi_old - ln pi and that of -ln pi in `sums`, and the gradients.
static void pass(const Fit* fit, Passage& passage, long run, bool first_step, float* grad, double* sums) {
    const Network* net = passage.net;
    const long outputs = net->outputs(), top = net->layers - 1, free = net->offsets[net->layers];
    float log_p[TILE], weight[TILE];
    sums[0] = sums[1] = sums[2] = 0;
    for (long first = 0; first < fit->batch; first += TILE) {
        const long rows = least(TILE, fit->batch - first), place = run * fit->batch + first;
        const Inputs x = fit->x.from(net, place);
        float *out = passage.outputs(), *old_log_p = fit->old_log_p + place;
        passage.there(rows, x);
        if (fit->loss == SQUARE) {
            for (long r = 0; r < rows; r++) {
                const float error = out[r] - fit->target[place + r];
                sums[0] += (double)error * error / fit->batch;
                out[r] = 2 * error / fit->batch;
            }
        } else {
            const float* points = fit->target + place * outputs;
            const int64_t* chosen = fit->chosen + place;
            if (fit->loss == GAUSSIAN) {
                gaussian(rows, outputs, passage.flat + free, points, out, log_p);
            } else {
                for (long r = 0; r < rows; r++) {
                    const float logit = out[r * outputs + chosen[r]];
                    log_p[r] = logit - softmax(outputs, out + r * outputs);
                }
            }
            for (long r = 0; r < rows; r++) {
                if (first_step) old_log_p[r] = log_p[r];
                sums[0] += surrogate(fit, log_p[r], old_log_p[r], fit->advantage[place + r], &weight[r]);
                sums[1] += (double)old_log_p[r] - log_p[r];
                sums[2] -= log_p[r];
            }
            if (!grad) continue;
            if (fit->loss == GAUSSIAN) {
                gaussian_back(rows, outputs, passage.flat + free, points, weight, out, grad + free);
            } else {
                for (long r = 0; r < rows; r++) {
                    float* row = out + r * outputs;
                    for (long i = 0; i < outputs; i++) row[i] *= -weight[r];
                    row[chosen[r]] += weight[r];
                }
            }
        }
        passage.back(rows, x, top, out, grad, 0);
    }
    sums[1] /= fit->batch;
    sums[2] /= fit->batch;
}

extern "C" void fit(Fit* fit, float* scratch) {
    const NoDenormals fast;
    const Network* net = fit->learner.net;
    Memory memory = {scratch};
    Passage passage(net, fit->batch, memory);
    float* grad = memory.take(net->stride);
    double sums[3];
    for (long run = 0; run < fit->runs; run++) {
        long step = 0;
        bool goes_on = true;
        for (; step < fit->steps && goes_on; step += goes_on) {
            passage.with(fit->learner.flat + run * net->stride, net->layers, true);
            clear(grad, net->stride);
            pass(fit, passage, run, step == 0, grad, sums);
            if (step == 0) {
                fit->first_loss[run] = sums[0];
                if (fit->loss != SQUARE) fit->entropy[run] = sums[2];
            } else if (fit->loss != SQUARE && fit->target_kl >= 0) {
                goes_on = sums[1] <= fit->target_kl;
            }
            const long number = run * fit->steps + step;
            if (goes_on) fit->learner.step(run, fit->learner.rates[number], fit->learner.scales[number], grad);
        }
        if (fit->loss == SQUARE) continue;
        if (goes_on) {
            passage.with(fit->learner.flat + run * net->stride, net->layers, false);
            pass(fit, passage, run, false, 0, sums);
        }
        fit->kl[run] = sums[1];
        fit->taken[run] = step;
    }
}

// ------------------------------------------------------------------------------------------------- soft actor-critic

struct Sac {
    Learner policy, critics;  // two critics a run, one after the other
    float* targets;           // [2 runs, stride]
    int64_t runs, steps, batch;
    Inputs x, next_x;           // [runs, steps, batch]
    const float* points;        // chosen, with coordinates, or
    const int64_t* actions;     // actions: [runs, steps, batch]
    const float* reward;        // [runs, steps, batch]
    const uint8_t* terminated;  // [runs, steps, batch]
    const float* noise;         // [runs, steps, 2, batch, coordinates]: in the targets, in the policy's loss
    double discount, entropy_weight, polyak, limit;
    double *critic_loss, *policy_loss, *entropy;  // [runs]: means over the steps
};

struct SoftActorCritic {
    const Sac* sac;
    Passage policy, q[2];
    float *grad, *target, *points, *tanhs, *slopes, *inputs, *of_inputs, *row, log_p[TILE], values[TILE], weight[TILE];

    SoftActorCritic(const Sac* sac, Memory& memory)
        : sac(sac),
          policy(sac->policy.net, sac->batch, memory),
          q{Passage(sac->critics.net, sac->batch, memory), Passage(sac->critics.net, sac->batch, memory)} {
        const Network *actor = sac->policy.net, *critic = sac->critics.net;
        grad = memory.take(actor->stride > critic->stride ? actor->stride : critic->stride);
        target = memory.take(sac->batch);
        points = memory.take(TILE * actor->outputs());
        tanhs = memory.take(TILE * actor->outputs());
        slopes = memory.take(TILE * actor->outputs());
        inputs = memory.take(TILE * critic->sizes[0]);
        of_inputs = memory.take(TILE * critic->sizes[0]);
        row = memory.take(actor->outputs());
    }

    // Inputs of the critics: those of the policy, and points.
    Inputs with_points(long rows, Inputs x, const float* e) {
        const long size = sac->policy.net->outputs(), before = sac->policy.net->floats();
        if (x.ids) return {e, x.ids};
        for (long r = 0; r < rows; r++) {
            float* to = inputs + r * (before + size);
            for (long i = 0; i < before; i++) to[i] = x.floats[r * before + i];
            for (long i = 0; i < size; i++) to[before + i] = e[r * size + i];
        }
        return {inputs, 0};
    }

    // Points e = limit tanh u, u = mean + sigma * noise, and their ln pi, where the policy's outputs are the means.
    void sample(long rows, const float* noise) {
        const long size = policy.net->outputs(), count = rows * size;
        const float *mean = policy.outputs(), *log_std = policy.flat + policy.net->offsets[policy.net->layers];
        const float log_limit = logarithm(all(sac->limit))[0], log_two = 0.693147181f, half_log_two_pi = 0.918938533f;
        for (long d = 0; d < size; d++) row[d] = exponential(all(log_std[d]))[0];
        for (long i = 0; i < count; i++) points[i] = mean[i] + row[i % size] * noise[i];
        for (long i = 0; i < count; i += LANES) {
            const Vector u = load_some(points + i, count - i, 0), t = hyperbolic_tangent(u), far = u < all(0) ? -u : u;
            const Vector slope =
                all(log_limit + 2 * log_two) - all(2) * (far + logarithm(all(1) + exponential(all(-2) * far)));
            store_some(tanhs + i, t, count - i);
            store_some(slopes + i, slope, count - i);
            store_some(points + i, all(sac->limit) * t, count - i);
        }
        for (long r = 0; r < rows; r++) {
            log_p[r] = 0;
            for (long d = 0, i = r * size; d < size; d++, i++)
                log_p[r] += -0.5f * noise[i] * noise[i] - log_std[d] - half_log_two_pi - slopes[i];
        }
    }

    // Soft values of a tile in `values`, -ln pi or the entropy in `weight`; by a sample, or exact where the outputs are
    // logits. There the critics' outputs become what V is the mean of, and with `back` the logits their gradient /
    // batch.
    void value(long rows, Inputs x, const float* noise, bool back) {
        const float alpha = sac->entropy_weight;
        policy.there(rows, x);
        if (noise) {
            sample(rows, noise);
            const Inputs both = with_points(rows, x, points);
            for (Passage& critic : q) critic.there(rows, both);
            for (long r = 0; r < rows; r++) {
                const float first = q[0].outputs()[r], second = q[1].outputs()[r];
                values[r] = (first <= second ? first : second) - alpha * log_p[r];
                weight[r] = -log_p[r];
            }
            return;
        }
        for (Passage& critic : q) critic.there(rows, x);
        const long actions = policy.net->outputs();
        float *logits = policy.outputs(), *first = q[0].outputs(), *second = q[1].outputs();
        for (long r = 0; r < rows; r++, logits += actions, first += actions, second += actions) {
            for (long i = 0; i < actions; i++) row[i] = logits[i];
            const float whole = softmax(actions, row);
            Vector value = all(0), mean = all(0);
            for (long i = 0; i < actions; i += LANES) {
                const long count = actions - i;
                const Vector p = load_some(row + i, count, 0), logit = load_some(logits + i, count, 0);
                const Vector a = load_some(first + i, count, 0), b = load_some(second + i, count, 0);
                const Vector worth = (a < b ? a : b) - all(alpha) * (logit - all(whole));
                store_some(first + i, worth, count);
                value += p * worth;
                mean += p * logit;
            }
            values[r] = sum(value);
            weight[r] = whole - sum(mean);
            for (long i = 0; back && i < actions; i++) logits[i] = -row[i] * (first[i] - values[r]) / sac->batch;
        }
    }

    // y = r + discount * V(s') of a step of a run, by the targets.
    void set_targets(long run, long start, const float* noise) {
        policy.with(sac->policy.flat + run * sac->policy.net->stride, policy.net->layers, false);
        for (int i = 0; i < 2; i++) q[i].with(sac->targets + (2 * run + i) * q[i].net->stride, q[i].net->layers, false);
        for (long first = 0; first < sac->batch; first += TILE) {
            const long rows = least(TILE, sac->batch - first), place = start + first;
            value(rows, sac->next_x.from(policy.net, place), noise ? noise + first * policy.net->outputs() : 0, false);
            for (long r = 0; r < rows; r++)
                target[first + r] =
                    sac->reward[place + r] + (sac->terminated[place + r] ? 0 : (float)sac->discount * values[r]);
        }
    }

    // A step of critic i; its loss.
    double improve_critic(long run, int i, long start, long step) {
        Learner critics = sac->critics;
        const long place_of = 2 * run + i, top = q[i].net->layers - 1, number = place_of * sac->steps + step;
        double loss = 0;
        q[i].with(critics.flat + place_of * critics.net->stride, sac->points ? top + 1 : top, true);
        clear(grad, critics.net->stride);
        for (long first = 0; first < sac->batch; first += TILE) {
            const long rows = least(TILE, sac->batch - first), place = start + first;
            Inputs x = sac->x.from(policy.net, place);
            if (sac->points) {
                x = with_points(rows, x, sac->points + place * policy.net->outputs());
                q[i].there(rows, x);
                for (long r = 0; r < rows; r++) values[r] = q[i].outputs()[r];
            } else {
                q[i].there(rows, x, top);
                q[i].chosen(rows, sac->actions + place, values);
            }
            for (long r = 0; r < rows; r++) {
                const float error = values[r] - target[first + r];
                loss += (double)error * error / sac->batch;
                weight[r] = 2 * error / sac->batch;
            }
            if (sac->points)
                q[i].back(rows, x, top, weight, grad, 0);
            else
                q[i].back_from_chosen(rows, x, sac->actions + place, weight, grad);
        }
        critics.step(place_of, critics.rates[number], critics.scales[number], grad);
        return loss;
    }

    // A step of the policy; adds the mean of its values and of -ln pi to `sums`.
    void improve_policy(long run, long start, long step, const float* noise, double* sums) {
        Learner actor = sac->policy;
        const Network* net = actor.net;
        const long size = net->outputs(), number = run * sac->steps + step, free = net->offsets[net->layers];
        const long floats = q[0].net->floats(), beside = floats - size;
        const float share = 1.f / sac->batch, alpha = sac->entropy_weight;
        policy.with(actor.flat + run * net->stride, net->layers, true);
        for (int i = 0; i < 2; i++)
            q[i].with(sac->critics.flat + (2 * run + i) * sac->critics.net->stride, q[i].net->layers, noise != 0);
        clear(grad, net->stride);
        for (long first = 0; first < sac->batch; first += TILE) {
            const long rows = least(TILE, sac->batch - first), place = start + first;
            const Inputs x = sac->x.from(net, place);
            const float* here = noise ? noise + first * size : 0;
            float* out = policy.outputs();
            value(rows, x, here, true);
            for (long r = 0; r < rows; r++) {
                sums[0] += values[r] * share;
                sums[1] += weight[r] * share;
            }
            if (here) {
                const Inputs both = {x.ids ? points : inputs, x.ids};
                for (long i = 0; i < rows * size; i++) out[i] = 2 * alpha * share * tanhs[i];
                for (int i = 0; i < 2; i++) {
                    for (long r = 0; r < rows; r++) {
                        const bool least_one = (q[0].outputs()[r] <= q[1].outputs()[r]) == (i == 0);
                        weight[r] = least_one ? -share : 0;
                    }
                    q[i].back(rows, both, q[i].net->layers - 1, weight, 0, of_inputs);
                    for (long r = 0; r < rows; r++)
                        for (long d = 0; d < size; d++) {
                            const float t = tanhs[r * size + d];
                            out[r * size + d] += of_inputs[r * floats + beside + d] * (float)sac->limit * (1 - t * t);
                        }
                }
                for (long r = 0; r < rows; r++)
                    for (long d = 0; d < size; d++)
                        grad[free + d] += out[r * size + d] * row[d] * here[r * size + d] - alpha * share;
            }
            policy.back(rows, x, net->layers - 1, out, grad, 0);
        }
        actor.step(run, actor.rates[number], actor.scales[number], grad);
    }

    void follow(long run) {
        const long stride = sac->critics.net->stride;
        const float *flat = sac->critics.flat + 2 * run * stride, share = 1 - sac->polyak;
        float* followers = sac->targets + 2 * run * stride;
        for (long i = 0; i < 2 * stride; i++) followers[i] += share * (flat[i] - followers[i]);
    }
};

extern "C" void soft_actor_critic(const Sac* sac, float* scratch) {
    const NoDenormals fast;
    Memory memory = {scratch};
    SoftActorCritic learner(sac, memory);
    const long batch = sac->batch, noise_a_step = batch * sac->policy.net->outputs();
    for (long run = 0; run < sac->runs; run++) {
        double critic_loss = 0, sums[2] = {0, 0};
        for (long step = 0; step < sac->steps; step++) {
            const long number = run * sac->steps + step, start = number * batch;
            const float* noise = sac->points ? sac->noise + 2 * number * noise_a_step : 0;
            learner.set_targets(run, start, noise);
            for (int i = 0; i < 2; i++) critic_loss += learner.improve_critic(run, i, start, step);
            learner.improve_policy(run, start, step, noise ? noise + noise_a_step : 0, sums);
            learner.follow(run);
        }
        sac->critic_loss[run] = critic_loss / sac->steps;
        sac->policy_loss[run] = -sums[0] / sac->steps;
        sac->entropy[run] = sums[1] / sac->steps;
    }
}
