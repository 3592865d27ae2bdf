/* Command line, phases, report. */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Few events a turn: publishers and the probe must never wait behind thousands of subscribers. */
enum { EVENTS_A_TURN = 32 };
static const double QUIET_SECONDS = 0.02;
static int epoll_fd;

struct options opt = {
    .host = "127.0.0.1", .path = "/ws", .subscribe = "", .ready_text = "", .header_file = "", .channels = 1, .concurrency = 64,
    .sources = 1, .publish_path = "/", .publish_type = "application/x-www-form-urlencoded", .body = "",
    .body_head = "", .body_tail = "", .separator = "", .greeting = "", .per_request = 1, .payload = 128,
    .probe_path = "", .settle = 0.3, .patience = 10,
};

/* -- the loop ---------------------------------------------------------------------------------------- */

static void turn(uint64_t until)
{
    struct epoll_event events[EVENTS_A_TURN];
    uint64_t now = now_ns(), next = publishers_work(now);
    subscribers_start_some();
    if (next > until) next = until;
    now = now_ns();
    uint64_t left = next > now ? next - now : 0;
    if (left > 100000000) left = 100000000;
    struct timespec wait = {0, (long)left};
    int size = epoll_pwait2(epoll_fd, events, EVENTS_A_TURN, &wait, NULL);
    if (size < 0 && errno != EINTR) die("epoll");
    for (int i = 0; i < size; i++)
        if (events[i].data.ptr) subscriber_readable(events[i].data.ptr);
}

static void run_for(double seconds)
{
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
    while (now_ns() < end) turn(end);
}

static uint64_t expected(void)
{
    uint64_t sum = 0, per_channel = (uint64_t)fan_out();
    for (int i = 0; i < opt.channels; i++) sum += totals[i].count * per_channel;
    return sum;
}

/* Until all that was published is answered and has arrived everywhere; false when patience ran out. */
static bool drain(void)
{
    uint64_t end = now_ns() + (uint64_t)(opt.patience * 1e9);
    while (!publishers_idle() || heard.delivered < expected()) {
        if (now_ns() > end) return false;
        turn(end);
    }
    return true;
}

static void connect_all(void)
{
    uint64_t end = now_ns() + 120000000000u;
    while (!subscribers_settled()) {
        if (now_ns() > end) die("only %d of %d subscribers were ready in time", heard.ready, opt.subscribers);
        turn(end);
    }
}

/* -- one phase --------------------------------------------------------------------------------------- */

struct mark {
    uint64_t time;
    double own_cpu, servers_cpu, waited;
    struct sample sample;
};

static struct mark mark_now(void)
{
    return (struct mark){now_ns(), own_cpu_seconds(), servers_cpu_seconds(), waited_seconds(), subscribers_sample()};
}

static void publish_for(const struct phase *phase, double seconds)
{
    publishers_begin(phase);
    run_for(seconds);
    publishers_stop();
}

static void reset(const struct phase *phase)
{
    publishers_reset();
    subscribers_reset(phase->rate > 0);
}

static void print_phase(const struct phase *phase, struct mark a, struct mark b, bool drained)
{
    double seconds = (double)(b.time - a.time) / 1e9;
    int64_t lost = (int64_t)expected() - (int64_t)heard.delivered;
    printf("{\"name\":\"%s\",\"window\":%d,\"rate\":%g,\"seconds\":%.4f,\"published\":%lu,\"answered\":%lu,\"refused\":%lu,",
           phase->name, phase->window, phase->rate, seconds, said.published, said.answered, said.refused);
    printf("\"deliveries\":%lu,\"drained\":%s,\"lost\":%ld,\"wrong\":%d,\"gone\":%d,\"pings\":%lu,", heard.delivered,
           drained ? "true" : "false", lost, subscribers_wrong(), heard.gone, heard.pings);
    printf("\"generator_cpu\":%.4f,\"server_cpu\":%.4f,\"waited\":%.4f,\"sample_messages\":%lu,\"sample_segments\":%lu,",
           (b.own_cpu - a.own_cpu) / seconds, (b.servers_cpu - a.servers_cpu) / seconds, (b.waited - a.waited) / seconds,
           b.sample.messages - a.sample.messages, b.sample.segments - a.sample.segments);
    histogram_print("latency_ms", &heard.latency);
    putchar(',');
    histogram_print("probe_ms", &said.probe);
    putchar('}');
}

static void run_phase(const struct phase *phase)
{
    if (phase->warmup > 0) {
        reset(phase);
        publish_for(phase, phase->warmup);
        drain();
    }
    reset(phase);
    struct mark a = mark_now();
    publish_for(phase, phase->seconds);
    bool drained = drain();
    struct mark b = mark_now();
    run_for(QUIET_SECONDS); /* whatever comes now came twice */
    print_phase(phase, a, b, drained);
}

/* -- command line ------------------------------------------------------------------------------------ */

static char *unescape(const char *text)
{
    char *out = strdup(text), *to = out;
    for (; *text; text++) {
        if (text[0] == '\\' && text[1] && strchr("nrt", text[1]))
            *to++ = *++text == 'n' ? '\n' : *text == 'r' ? '\r' : '\t';
        else
            *to++ = *text;
    }
    *to = 0;
    return out;
}

static void add_word(struct words *words, const char *word)
{
    if (words->size == MOST_WORDS) die("too many headers");
    words->word[words->size++] = word;
}

/* name=w64,window=64,seconds=3,warmup=0.5 */
static void add_phase(char *text)
{
    if (opt.phases_size == MOST_PHASES) die("too many phases");
    struct phase *phase = &opt.phases[opt.phases_size++];
    *phase = (struct phase){.window = 64, .seconds = 3};
    for (char *item = strtok(text, ","); item; item = strtok(NULL, ",")) {
        char *value = strchr(item, '=');
        if (!value) die("a phase needs name=value, not %s", item);
        *value++ = 0;
        if (!strcmp(item, "name")) snprintf(phase->name, sizeof phase->name, "%s", value);
        else if (!strcmp(item, "window")) phase->window = atoi(value);
        else if (!strcmp(item, "seconds")) phase->seconds = atof(value);
        else if (!strcmp(item, "warmup")) phase->warmup = atof(value);
        else if (!strcmp(item, "rate")) phase->rate = atof(value);
        else if (!strcmp(item, "probe")) phase->probe = atoi(value) != 0;
        else die("a phase has no %s", item);
    }
}

struct setting {
    const char *name;
    enum { TEXT_SETTING, ESCAPED, NUMBER, SECONDS, FLAG, WORDS } kind;
    void *place;
};

static const struct setting settings[] = {
    {"host", TEXT_SETTING, &opt.host},
    {"port", NUMBER, &opt.port},
    {"second-port", NUMBER, &opt.second_port},
    {"path", TEXT_SETTING, &opt.path},
    {"header", WORDS, &opt.headers},
    {"header-file", TEXT_SETTING, &opt.header_file},
    {"subscribers", NUMBER, &opt.subscribers},
    {"channels", NUMBER, &opt.channels},
    {"subscribe", ESCAPED, &opt.subscribe},
    {"ready-text", TEXT_SETTING, &opt.ready_text},
    {"binary", FLAG, &opt.binary},
    {"no-barrier", FLAG, &opt.no_barrier},
    {"concurrency", NUMBER, &opt.concurrency},
    {"sources", NUMBER, &opt.sources},
    {"settle", SECONDS, &opt.settle},
    {"patience", SECONDS, &opt.patience},
    {"publishers", NUMBER, &opt.publishers},
    {"publish-port", NUMBER, &opt.publish_port},
    {"publish-path", TEXT_SETTING, &opt.publish_path},
    {"publish-type", TEXT_SETTING, &opt.publish_type},
    {"publish-header", WORDS, &opt.publish_headers},
    {"raw", FLAG, &opt.raw},
    {"greeting", ESCAPED, &opt.greeting},
    {"body", ESCAPED, &opt.body},
    {"body-head", ESCAPED, &opt.body_head},
    {"body-tail", ESCAPED, &opt.body_tail},
    {"separator", ESCAPED, &opt.separator},
    {"per-request", NUMBER, &opt.per_request},
    {"payload", NUMBER, &opt.payload},
    {"probe-path", TEXT_SETTING, &opt.probe_path},
    {"probe-port", NUMBER, &opt.probe_port},
};
enum { SETTINGS = sizeof settings / sizeof *settings, PHASE_OPTION, PID_OPTION };

static void apply(const struct setting *setting, char *value)
{
    switch (setting->kind) {
    case TEXT_SETTING: *(const char **)setting->place = value; break;
    case ESCAPED: *(const char **)setting->place = unescape(value); break;
    case NUMBER: *(int *)setting->place = atoi(value); break;
    case SECONDS: *(double *)setting->place = atof(value); break;
    case FLAG: *(bool *)setting->place = true; break;
    case WORDS: add_word(setting->place, value); break;
    }
}

static void read_options(int argc, char **argv)
{
    static struct option longs[SETTINGS + 3];
    for (int i = 0; i < SETTINGS; i++)
        longs[i] = (struct option){settings[i].name, settings[i].kind != FLAG, NULL, 256 + i};
    longs[SETTINGS] = (struct option){"phase", 1, NULL, 256 + PHASE_OPTION};
    longs[SETTINGS + 1] = (struct option){"pid", 1, NULL, 256 + PID_OPTION};
    int found;
    while ((found = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (found == 256 + PHASE_OPTION) add_phase(optarg);
        else if (found == 256 + PID_OPTION && opt.pids_size < MOST_WORDS) opt.pids[opt.pids_size++] = atoi(optarg);
        else if (found >= 256 && found < 256 + SETTINGS) apply(&settings[found - 256], optarg);
        else exit(1);
    }
    errno = 0;
    if (!opt.publish_port) opt.publish_port = opt.port;
    if (opt.channels < 1 || opt.subscribers % opt.channels) die("every channel needs the same number of subscribers");
    if (opt.payload < MARKED_SIZE) die("a message has at least %d bytes", MARKED_SIZE);
    if (opt.per_request < 1 || opt.publishers < 0 || !opt.port) die("port, publishers and per-request must be positive");
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < (rlim_t)opt.subscribers + 100)
        die("%d subscribers need more descriptors than the limit of %lu", opt.subscribers, limit.rlim_cur);
}

static void print_connecting(struct mark start, long rss)
{
    double seconds = opt.subscribers ? (double)(now_ns() - start.time) / 1e9 : 1e9;
    printf("{\"subscribers\":%d,\"connected\":%d,\"failed\":%d,\"connect_seconds\":%.4f,\"connect_generator_cpu\":%.4f,"
           "\"connect_server_cpu\":%.4f,\"connect_waited\":%.4f,\"rss_before_kib\":%ld,",
           opt.subscribers, heard.ready, heard.failed, seconds, (own_cpu_seconds() - start.own_cpu) / seconds,
           (servers_cpu_seconds() - start.servers_cpu) / seconds, (waited_seconds() - start.waited) / seconds, rss);
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    subscribers_open(epoll_fd);
    long rss = servers_rss_kib();
    struct mark start = mark_now();
    if (opt.subscribers) connect_all();
    print_connecting(start, rss);
    run_for(opt.settle);
    printf("\"rss_idle_kib\":%ld,\"phases\":[", servers_rss_kib());
    if (opt.publishers && opt.phases_size) publishers_open(epoll_fd);
    for (int i = 0; i < opt.phases_size && heard.ready == opt.subscribers; i++) {
        if (i) putchar(',');
        run_phase(&opt.phases[i]);
    }
    printf("],\"rss_after_kib\":%ld}\n", servers_rss_kib());
    subscribers_close();
    return heard.ready == opt.subscribers ? 0 : 4;
}
