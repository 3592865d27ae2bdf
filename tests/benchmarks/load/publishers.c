/* Publishers: HTTP requests over kept connections, or raw lines, as fast as window or rate allow. */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_SIZE = 16384, EVENTS = 64 };
static const uint64_t PROBE_EVERY_NS = 2000000;

struct publisher {
    int fd;
    bool is_probe, is_blocked;
    size_t have, out_size, out_sent;
    char *out;
    uint64_t asked;
    char answer[ANSWER_SIZE];
};

struct publishers_tally said;
struct channel_total *totals;
static struct publisher *all, probe;
static struct publisher **idle; /* a ring, so that the publishers take turns */
static int idle_first, idle_size, own_epoll;
static const struct phase *current;
static uint64_t began, sent_in_phase, sequence;
static size_t out_room;
static char head[8192];

double fan_out(void)
{
    return (double)opt.subscribers / opt.channels;
}

static void rest(struct publisher *p)
{
    if (p->is_probe) return;
    idle[(idle_first + idle_size++) % opt.publishers] = p;
}

/* -- writing a request ------------------------------------------------------------------------------ */

static size_t write_message(char *out, uint64_t due)
{
    int size = snprintf(out, MARKED_SIZE + 1, "%c%08x%016lx", MARK, (uint32_t)sequence, due);
    if (opt.payload > size) memset(out + size, 'x', (size_t)(opt.payload - size));
    return (size_t)opt.payload;
}

/* %c is the channel's number, %m the message, %n its size. */
static size_t fill(char *out, const char *text, int channel, uint64_t due)
{
    char *at = out;
    for (; *text; text++) {
        if (text[0] != '%' || !text[1] || !strchr("cmn", text[1])) {
            *at++ = *text;
            continue;
        }
        switch (*++text) {
        case 'c': at += sprintf(at, "%d", channel); break;
        case 'n': at += sprintf(at, "%d", opt.payload); break;
        default: at += write_message(at, due);
        }
    }
    return (size_t)(at - out);
}

static void count_message(int channel)
{
    uint64_t digits;
    char text[NUMBER_DIGITS + 1];
    snprintf(text, sizeof text, "%08x", (uint32_t)sequence);
    memcpy(&digits, text, NUMBER_DIGITS);
    totals[channel].count++;
    totals[channel].sum += digits;
    said.published++;
}

static size_t write_body(char *out, uint64_t due)
{
    size_t size = fill(out, opt.body_head, 0, due);
    for (int i = 0; i < opt.per_request; i++) {
        int channel = (int)(sequence % (uint64_t)opt.channels);
        if (i) size += fill(out + size, opt.separator, channel, due);
        size += fill(out + size, opt.body, channel, due);
        count_message(channel);
        sequence++;
    }
    return size + fill(out + size, opt.body_tail, 0, due);
}

static void watch(struct publisher *p, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = p};
    if (epoll_ctl(own_epoll, EPOLL_CTL_MOD, p->fd, &event) < 0) die("epoll");
}

/* Sends what is left; true when all is out. */
static bool push(struct publisher *p)
{
    while (p->out_sent < p->out_size) {
        ssize_t sent = send(p->fd, p->out + p->out_sent, p->out_size - p->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN) {
            if (!p->is_blocked) watch(p, EPOLLIN | EPOLLOUT);
            p->is_blocked = true;
            return false;
        }
        if (sent < 0) die("a publisher cannot send");
        p->out_sent += (size_t)sent;
    }
    if (p->is_blocked) watch(p, EPOLLIN);
    p->is_blocked = false;
    return true;
}

static void publish(struct publisher *p, uint64_t due)
{
    int channel = (int)(sequence % (uint64_t)opt.channels);
    size_t size = 0;
    if (opt.raw) {
        size = write_body(p->out, due);
    } else {
        static char *body;
        if (!body && !(body = malloc(out_room))) die("no memory");
        size_t body_size = write_body(body, due);
        size = (size_t)sprintf(p->out, "POST ");
        size += fill(p->out + size, opt.publish_path, channel, due);
        size += (size_t)sprintf(p->out + size, "%s%zu\r\n\r\n", head, body_size);
        memcpy(p->out + size, body, body_size);
        size += body_size;
    }
    p->out_size = size;
    p->out_sent = 0;
    if (push(p) && opt.raw) rest(p);
}

/* -- reading an answer ------------------------------------------------------------------------------ */

/* The size of the complete answer that has come, 0 while it is incomplete. */
static size_t whole_answer(struct publisher *p, int *status)
{
    p->answer[p->have] = 0;
    char *blank = strstr(p->answer, "\r\n\r\n");
    if (!blank) {
        if (p->have == ANSWER_SIZE - 1) die("an answer's head is too long");
        return 0;
    }
    *status = p->have > 12 ? atoi(p->answer + 9) : 0;
    char *length = strcasestr(p->answer, "\r\ncontent-length:");
    if ((!length || length > blank) && *status != 204) die("an answer without Content-Length: %.200s", p->answer);
    size_t body = length && length < blank ? strtoul(length + 17, NULL, 10) : 0;
    size_t whole = (size_t)(blank + 4 - p->answer) + body;
    if (whole >= ANSWER_SIZE) die("an answer of %zu bytes is more than this generator takes", whole);
    return p->have >= whole ? whole : 0;
}

static void read_answers(struct publisher *p)
{
    ssize_t got = recv(p->fd, p->answer + p->have, ANSWER_SIZE - 1 - p->have, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) die("a publisher was disconnected");
    if (opt.raw && !p->is_probe) return;
    p->have += (size_t)got;
    int status = 0;
    size_t whole = whole_answer(p, &status);
    if (!whole) return;
    if (p->is_probe) {
        histogram_add(&said.probe, now_ns() - p->asked);
    } else if (status < 200 || status > 299) {
        if (said.refused++ == 0) complain("a publish was answered: %.200s", p->answer);
    } else {
        said.answered++;
    }
    if (p->have != whole) die("more than one answer came to one request");
    p->have = 0;
    p->out_size = p->out_sent = 0;
    if (p->is_probe) p->asked = 0;
    rest(p);
}

/* -- the life of a phase ---------------------------------------------------------------------------- */

static void join(struct publisher *p, const char *host, int port, bool is_probe)
{
    p->fd = tcp_connect(host, port, 0);
    if (p->fd < 0) die("no connection to port %d to publish", port);
    p->is_probe = is_probe;
    p->out = malloc(out_room + sizeof head);
    if (!p->out) die("no memory");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
    if (epoll_ctl(own_epoll, EPOLL_CTL_ADD, p->fd, &event) < 0) die("epoll");
}

static void prepare_head(void)
{
    int size = snprintf(head, sizeof head, " HTTP/1.1\r\nHost: %s:%d\r\nContent-Type: %s\r\n", opt.host,
                        opt.publish_port, opt.publish_type);
    for (int i = 0; i < opt.publish_headers.size; i++)
        size += snprintf(head + size, sizeof head - (size_t)size, "%s\r\n", opt.publish_headers.word[i]);
    size += snprintf(head + size, sizeof head - (size_t)size, "Content-Length: ");
    if (size >= (int)sizeof head) die("the publish headers are too long");
}

void publishers_open(int epoll)
{
    own_epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, own_epoll, &event) < 0) die("epoll");
    all = calloc((size_t)opt.publishers, sizeof *all);
    idle = calloc((size_t)opt.publishers, sizeof *idle);
    totals = calloc((size_t)opt.channels, sizeof *totals);
    if (!all || !idle || !totals) die("no memory");
    out_room = (size_t)opt.per_request * ((size_t)opt.payload + 512) + 2048;
    prepare_head();
    for (int i = 0; i < opt.publishers; i++) {
        join(&all[i], opt.host, opt.publish_port, false);
        if (*opt.greeting && send(all[i].fd, opt.greeting, strlen(opt.greeting), MSG_NOSIGNAL) < 0)
            die("a publisher cannot send its greeting");
        rest(&all[i]);
    }
    if (*opt.probe_path) join(&probe, opt.host, opt.probe_port ? opt.probe_port : opt.port, true);
}

void publishers_begin(const struct phase *phase)
{
    current = phase;
    began = now_ns();
    sent_in_phase = 0;
}

void publishers_stop(void)
{
    current = NULL;
}

bool publishers_idle(void)
{
    return idle_size == opt.publishers && probe.asked == 0;
}

void publishers_reset(void)
{
    memset(totals, 0, (size_t)opt.channels * sizeof *totals);
    memset(&said, 0, sizeof said);
}

static bool window_is_full(void)
{
    double fan = fan_out();
    double under_way = (double)said.published * fan - (double)heard.delivered;
    return fan > 0 && under_way + opt.per_request * fan > current->window * fan;
}

static void ask_probe(uint64_t now)
{
    static uint64_t next;
    if (probe.asked || now < next) return;
    next = now + PROBE_EVERY_NS;
    probe.asked = now;
    probe.out_sent = 0;
    probe.out_size = (size_t)sprintf(probe.out, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", opt.probe_path, opt.host);
    push(&probe);
}

static void read_all(void)
{
    struct epoll_event events[EVENTS];
    int size = epoll_wait(own_epoll, events, EVENTS, 0);
    for (int i = 0; i < size; i++) {
        struct publisher *p = events[i].data.ptr;
        if (events[i].events & EPOLLOUT && push(p) && opt.raw) rest(p);
        if (events[i].events & ~(uint32_t)EPOLLOUT) read_answers(p);
    }
}

/* Reads what was answered and publishes what may be published; returns when it wants to be called again. */
uint64_t publishers_work(uint64_t now)
{
    if (opt.publishers == 0) return UINT64_MAX;
    read_all();
    if (!current) return UINT64_MAX;
    if (current->probe && *opt.probe_path) ask_probe(now);
    while (idle_size > 0) {
        uint64_t due = now_ns();
        if (current->rate > 0) {
            uint64_t planned = began + (uint64_t)((double)sent_in_phase * 1e9 / current->rate);
            if (planned > due) return planned;
            due = planned; /* who keeps us waiting is charged for it */
        } else if (window_is_full()) {
            break;
        }
        struct publisher *p = idle[idle_first];
        idle_first = (idle_first + 1) % opt.publishers;
        idle_size--;
        sent_in_phase += (uint64_t)opt.per_request;
        publish(p, due);
    }
    return current->probe ? now + PROBE_EVERY_NS : UINT64_MAX;
}
