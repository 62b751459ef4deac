/* Calls other predictors of trees in a loop, for `scripts/bench trees`: their own C functions, so
 * that no Python is measured. Built as a library; scripts/tree_predictors.py loads it and hands
 * over the functions. Each loop scores `rows` rows in batches, from the first on again when they
 * end, for so many seconds, and returns rows per second; below 0 where a call fails. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Scores the batch whose first row is given; 0 where it went well. */
typedef int (*scorer)(void *what, int64_t first, int64_t batch);

static double loop(scorer score, void *what, int64_t rows, int64_t batch, double seconds) {
    const int calls = batch < 64 ? (int)(64 / batch) : 1; /* between two looks at the clock */
    const double start = seconds_now();
    int64_t first = 0, done = 0;
    double now;
    do {
        for (int call = 0; call < calls; call++) {
            if (first + batch > rows) first = 0;
            if (score(what, first, batch)) return -1;
            first += batch;
            done += batch;
        }
        now = seconds_now();
    } while (now - start < seconds);
    return (double)done / (now - start);
}

/* LightGBM: a prepared call for single rows, a plain one for more. */
typedef int (*lightgbm_fast)(void *config, const void *data, int64_t *count, double *out);
typedef int (*lightgbm_plain)(void *booster, const void *data, int type, int32_t rows,
                              int32_t columns, int is_row_major, int kind, int start, int count,
                              const char *parameters, int64_t *written, double *out);

struct lightgbm {
    lightgbm_fast fast;
    lightgbm_plain plain;
    void *config, *booster;
    const double *data;
    int64_t width;
    double *out;
};

static int lightgbm_score(void *what, int64_t first, int64_t batch) {
    struct lightgbm *it = what;
    const double *data = it->data + first * it->width;
    int64_t count;
    if (batch == 1) return it->fast(it->config, data, &count, it->out);
    return it->plain(it->booster, data, 1, (int32_t)batch, (int32_t)it->width, 1, 0, 0, -1,
                     "num_threads=1", &count, it->out);
}

double bench_lightgbm(lightgbm_fast fast, lightgbm_plain plain, void *config, void *booster,
                      const double *data, int64_t width, double *out, int64_t rows, int64_t batch,
                      double seconds) {
    struct lightgbm it = {fast, plain, config, booster, data, width, out};
    return loop(lightgbm_score, &it, rows, batch, seconds);
}

/* XGBoost: the rows are named by a JSON text with their address, which is made for each batch. */
typedef int (*xgboost_dense)(void *booster, const char *values, const char *config, void *proxy,
                             const uint64_t **shape, uint64_t *dimensions, const float **out);

struct xgboost {
    xgboost_dense dense;
    void *booster;
    const float *data;
    int64_t width;
};

static int xgboost_score(void *what, int64_t first, int64_t batch) {
    static const char config[] = "{\"type\":0,\"training\":false,\"iteration_begin\":0,"
                                 "\"iteration_end\":0,\"missing\":NaN,\"strict_shape\":false,"
                                 "\"cache_id\":0}";
    struct xgboost *it = what;
    char values[200];
    const uint64_t *shape;
    uint64_t dimensions;
    const float *out;
    snprintf(values, sizeof values,
             "{\"data\":[%llu,true],\"shape\":[%lld,%lld],\"typestr\":\"<f4\",\"version\":3}",
             (unsigned long long)(uintptr_t)(it->data + first * it->width), (long long)batch,
             (long long)it->width);
    return it->dense(it->booster, values, config, NULL, &shape, &dimensions, &out);
}

double bench_xgboost(xgboost_dense dense, void *booster, const float *data, int64_t width,
                     int64_t rows, int64_t batch, double seconds) {
    struct xgboost it = {dense, booster, data, width};
    return loop(xgboost_score, &it, rows, batch, seconds);
}

/* treelite's GTIL; `type` is float32 or float64. */
typedef int (*treelite_predict)(void *model, const void *data, const char *type, uint64_t rows,
                                void *out, void *config);

struct treelite {
    treelite_predict predict;
    void *model, *config;
    const char *data, *type;
    int64_t row_bytes;
    void *out;
};

static int treelite_score(void *what, int64_t first, int64_t batch) {
    struct treelite *it = what;
    return it->predict(it->model, it->data + first * it->row_bytes, it->type, (uint64_t)batch,
                       it->out, it->config);
}

double bench_treelite(treelite_predict predict, void *model, void *config, const char *data,
                      const char *type, int64_t row_bytes, void *out, int64_t rows, int64_t batch,
                      double seconds) {
    struct treelite it = {predict, model, config, data, type, row_bytes, out};
    return loop(treelite_score, &it, rows, batch, seconds);
}

/* lleaves: the function that it compiled. */
typedef void (*lleaves_root)(const double *data, double *out, int start, int end);

struct lleaves {
    lleaves_root root;
    const double *data;
    int64_t width;
    double *out;
};

static int lleaves_score(void *what, int64_t first, int64_t batch) {
    struct lleaves *it = what;
    it->root(it->data + first * it->width, it->out, 0, (int)batch);
    return 0;
}

double bench_lleaves(lleaves_root root, const double *data, int64_t width, double *out,
                     int64_t rows, int64_t batch, double seconds) {
    struct lleaves it = {root, data, width, out};
    return loop(lleaves_score, &it, rows, batch, seconds);
}
