/*
 * The load generator: WebSocket subscribers and publishers, in one thread.
 *
 *   cc -O2 -std=gnu11 -o load *.c
 *
 * It connects the subscribers, makes sure that each is subscribed, and then runs one phase after
 * another: publish for a while, stop, wait until everything that was published has arrived
 * everywhere, and only then stop the clock. Every subscriber must have got every message of its
 * channel exactly once; anything else is reported as lost or wrong, never as speed.
 *
 * A message is `~`, 8 hex digits of its number, 16 hex digits of the time it was due (nanoseconds,
 * CLOCK_MONOTONIC), and padding.
 */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MARK '~'
#define NUMBER_DIGITS 8
#define TIME_DIGITS 16
#define MARKED_SIZE (1 + NUMBER_DIGITS + TIME_DIGITS)

enum { MOST_WORDS = 16, MOST_PHASES = 16 };

struct words {
    const char *word[MOST_WORDS];
    int size;
};

/* One stretch of load. Either `rate` messages a second, or as fast as `window` allows. */
struct phase {
    char name[32];
    double seconds, warmup, rate;
    int window;
    bool probe;
};

struct options {
    const char *host, *path, *subscribe, *ready_text, *header_file;
    int port, second_port, subscribers, channels, concurrency, sources;
    bool binary, no_barrier;
    struct words headers;

    const char *publish_path, *publish_type, *body, *body_head, *body_tail, *separator, *greeting;
    int publish_port, publishers, per_request, payload;
    bool raw;
    struct words publish_headers;

    const char *probe_path;
    int probe_port;
    double settle, patience;
    int pids[MOST_WORDS], pids_size;
    struct phase phases[MOST_PHASES];
    int phases_size;
};
extern struct options opt;

/* -- tally.c: what is counted ------------------------------------------------------------------ */

struct histogram {
    uint64_t cells[60 * 64], count, longest;
};
void histogram_add(struct histogram *h, uint64_t nanoseconds);
double histogram_ms(const struct histogram *h, double fraction);
void histogram_print(const char *name, const struct histogram *h);

uint64_t now_ns(void);
double own_cpu_seconds(void);
double servers_cpu_seconds(void);
double waited_seconds(void);
long servers_rss_kib(void);
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* -- subscribers.c ------------------------------------------------------------------------------- */

struct subscribers_tally {
    int started, ready, failed, gone;
    uint64_t delivered, others, pings;
    struct histogram latency;
};
extern struct subscribers_tally heard;
struct sample {
    uint64_t segments, messages;
};

void subscribers_open(int epoll);
void subscribers_start_some(void);
bool subscribers_settled(void);
void subscriber_readable(void *subscriber);
void subscribers_reset(bool time_all);
struct sample subscribers_sample(void);
int subscribers_wrong(void);
void subscribers_close(void);

/* -- publishers.c -------------------------------------------------------------------------------- */

struct publishers_tally {
    uint64_t published, expected, answered, refused;
    struct histogram probe;
};
extern struct publishers_tally said;
struct channel_total {
    uint64_t count, sum;
};
extern struct channel_total *totals;

void publishers_open(int epoll);
void publishers_begin(const struct phase *phase);
void publishers_stop(void);
bool publishers_idle(void);
void publishers_reset(void);
uint64_t publishers_work(uint64_t now);
double fan_out(void);

int tcp_connect(const char *host, int port, int source);

#endif
