#include <assert.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/side.h"

void measure_start(struct measure *measure, const struct side_options *options)
{
    *measure = (struct measure){0};
    measure->from_ns = side_now_ns() + options->warmup_ns;
    measure->to_ns = measure->from_ns + options->duration_ns;
    (void)measure_goes_on(measure, side_now_ns()); /* without a warm-up it counts from here */
}

void measure_print(const struct measure *measure, const struct side_options *options, const char *workload)
{
    static const uint32_t percentiles[] = {500000, 900000, 990000, 999000};
    double seconds = (double)(measure->ended_ns - measure->began_ns) / 1e9;
    static bool begun;
    if (!begun) {
        printf(
            "workload,clients,depth,rate_asked,seconds,requests,operations,failed,rate,p50_us,p90_us,p99_us,"
            "p999_us,max_us\n");
        begun = true;
    }
    for (const char *c = workload; *c != '\0'; c++) {
        putchar(*c == ',' ? ';' : *c);
    }
    printf(",%" PRIu64 ",%" PRIu64 ",0,%.6f,%" PRIu64 ",%" PRIu64 ",0,%.3f", options->clients, options->depth,
           seconds, measure->requests, measure->operations,
           seconds > 0 ? (double)measure->operations / seconds : 0);
    for (size_t i = 0; i < sizeof percentiles / sizeof percentiles[0]; i++) {
        printf(",%.3f", (double)histogram_percentile_ns(&measure->latencies, percentiles[i]) / 1e3);
    }
    printf(",%.3f\n", (double)measure->latencies.max_ns / 1e3);
}

enum side_exit side_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "side: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    return SIDE_FAILED;
}

void *side_memory(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);
    if (memory == NULL) {
        (void)side_fail("no memory for %zu times %zu bytes", count, size);
        exit(SIDE_FAILED);
    }
    return memory;
}

void side_fill(void *bytes, size_t count)
{
    uint64_t state = 0x9e3779b97f4a7c15;
    uint8_t *byte = bytes;
    for (size_t i = 0; i < count; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        byte[i] = (uint8_t)(state >> 32);
    }
}

void side_sha256(const void *bytes, size_t count, uint8_t ret_digest[static SIDE_SHA256_BYTES])
{
    static EVP_MD *md;
    static EVP_MD_CTX *context;
    if (context == NULL) {
        md = EVP_MD_fetch(NULL, "SHA256", NULL);
        context = EVP_MD_CTX_new();
    }
    bool hashed = EVP_DigestInit_ex2(context, md, NULL) && EVP_DigestUpdate(context, bytes, count) &&
                  EVP_DigestFinal_ex(context, ret_digest, NULL);
    assert(hashed);
}
