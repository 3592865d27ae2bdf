/* Clocks, memory, and a histogram of durations. */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t read_clock(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) < 0) return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double own_cpu_seconds(void)
{
    return (double)read_clock(CLOCK_PROCESS_CPUTIME_ID) / 1e9;
}

double servers_cpu_seconds(void)
{
    double total = 0;
    for (int i = 0; i < opt.pids_size; i++) {
        clockid_t clock;
        if (clock_getcpuclockid(opt.pids[i], &clock) == 0) total += (double)read_clock(clock) / 1e9;
    }
    return total;
}

static double waited(const char *path)
{
    unsigned long long ran = 0, waits = 0;
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    if (fscanf(file, "%llu %llu", &ran, &waits) != 2) waits = 0;
    fclose(file);
    return (double)waits / 1e9;
}

/* How long the generator and the servers' first threads were kept from their cores by somebody else. */
double waited_seconds(void)
{
    double total = waited("/proc/self/schedstat");
    for (int i = 0; i < opt.pids_size; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/schedstat", opt.pids[i]);
        total += waited(path);
    }
    return total;
}

/* Resident memory, exactly: the cheap counters of /proc/PID/statm lag behind by megabytes. */
static long rss_kib(int pid)
{
    char path[64], line[256];
    long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "Rss: %ld kB", &kib) == 1) break;
    fclose(file);
    return kib;
}

long servers_rss_kib(void)
{
    long total = 0;
    for (int i = 0; i < opt.pids_size; i++) total += rss_kib(opt.pids[i]);
    return total;
}

void complain(const char *format, ...)
{
    va_list rest;
    va_start(rest, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, rest);
    fputc('\n', stderr);
    va_end(rest);
}

void die(const char *format, ...)
{
    int reason = errno;
    va_list rest;
    va_start(rest, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, rest);
    va_end(rest);
    if (reason) fprintf(stderr, ": %s", strerror(reason));
    fputc('\n', stderr);
    exit(2);
}

/* -- histogram: 64 cells for every power of two, so a value is known to 1.6 % ----------------------- */

enum { CELLS = 64, CELL_BITS = 6 };

static int cell_of(uint64_t value)
{
    if (value < CELLS) return (int)value;
    int shift = 63 - __builtin_clzll(value) - CELL_BITS;
    return (shift + 1) * CELLS + (int)((value >> shift) - CELLS);
}

static double middle_of(int cell)
{
    if (cell < CELLS) return cell;
    int shift = cell / CELLS - 1;
    return ((double)(CELLS + cell % CELLS) + 0.5) * (double)(1ull << shift);
}

void histogram_add(struct histogram *h, uint64_t nanoseconds)
{
    h->cells[cell_of(nanoseconds)]++;
    h->count++;
    if (nanoseconds > h->longest) h->longest = nanoseconds;
}

double histogram_ms(const struct histogram *h, double fraction)
{
    uint64_t wanted = (uint64_t)(fraction * (double)h->count), seen = 0;
    for (int cell = 0; cell < 60 * CELLS; cell++) {
        seen += h->cells[cell];
        if (seen > wanted) {
            double value = middle_of(cell), longest = (double)h->longest;
            return (value < longest ? value : longest) / 1e6;
        }
    }
    return (double)h->longest / 1e6;
}

void histogram_print(const char *name, const struct histogram *h)
{
    static const double fractions[] = {.01, .05, .1, .25, .5, .75, .9, .95, .99, .999, .9999};
    printf("\"%s\":{\"count\":%lu,\"max\":%.4f,\"at\":[", name, h->count, (double)h->longest / 1e6);
    for (size_t i = 0; i < sizeof fractions / sizeof *fractions && h->count; i++)
        printf("%s[%g,%.4f]", i ? "," : "", fractions[i], histogram_ms(h, fractions[i]));
    printf("]}");
}
