// MuJoCo's steps of many states, one after the other, without a way through Python for each.

#include <stdint.h>

typedef void Model;
typedef void Data;

// Each of `count` rows of `size` numbers, which are of the kind `spec` for MuJoCo, `frames` steps on, in place. The
// functions are MuJoCo's mj_setState, mj_step and mj_getState.
extern "C" void step_rows(void (*set)(const Model*, Data*, const double*, unsigned), void (*step)(const Model*, Data*),
                          void (*get)(const Model*, const Data*, double*, unsigned), const Model* model, Data* data,
                          double* rows, int64_t count, int64_t size, int64_t spec, int64_t frames) {
    for (int64_t i = 0; i < count; i++, rows += size) {
        set(model, data, rows, spec);
        for (int64_t frame = 0; frame < frames; frame++) step(model, data);
        get(model, data, rows, spec);
    }
}
