/* WebSocket clients that count what they get. */
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* The example of RFC 6455 section 1.3: one key for all, so that the right answer is a constant. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

enum { TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, FIN = 0x80, MASKED = 0x80 };
enum { MOST_OWN_HEADER = 2048, BUFFER_SIZE = 1 << 20, TIMED_EVERY = 16, SAMPLE_SIZE = 256 };
enum state { UNUSED, UPGRADING, SUBSCRIBING, READY, GONE };

struct subscriber {
    int fd, index, channel;
    enum state state;
    bool is_timed;
    uint32_t held_size;
    uint8_t *held; /* the beginning of a frame whose rest has not come */
    uint64_t count, sum;
};

struct subscribers_tally heard;
static struct subscriber *all;
static int epoll_fd, waiting;
static uint8_t buffer[BUFFER_SIZE];
static char request[8192];
static int request_size;
static struct {
    char **line;
    int size;
} own_headers; /* one for each subscriber, from the beginning again when there are fewer */
static bool path_has_channel;

int tcp_connect(const char *host, int port, int source)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0) die("no socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (source > 0) {
        struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)source)};
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0) die("no source address 127.0.0.%d", 1 + source);
    }
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1) die("%s is no IPv4 address", host);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) return fd;
    close(fd);
    return -1;
}

static void leave(struct subscriber *s, const char *why)
{
    if (s->state == GONE) return;
    if (s->state == READY) {
        heard.ready--;
        heard.gone++;
    } else {
        heard.failed++;
        waiting--;
    }
    if (heard.failed + heard.gone <= 3) complain("subscriber %d: %s", s->index, why);
    if (s->fd >= 0) close(s->fd);
    free(s->held);
    s->held = NULL;
    s->held_size = 0;
    s->state = GONE;
}

static void become_ready(struct subscriber *s)
{
    s->state = READY;
    heard.ready++;
    waiting--;
}

/* -- sending -------------------------------------------------------------------------------------- */

static void put(struct subscriber *s, const void *data, size_t size)
{
    if (s->state != GONE && send(s->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)size)
        leave(s, "cannot send");
}

/* Appends a frame; its mask is zero, which RFC 6455 allows and which leaves the payload as it is. */
static size_t frame(uint8_t *out, int opcode, const void *payload, size_t size)
{
    size_t head = 2;
    out[0] = (uint8_t)(FIN | opcode);
    if (size < 126) {
        out[1] = (uint8_t)(MASKED | size);
    } else {
        out[1] = MASKED | 126;
        out[2] = (uint8_t)(size >> 8);
        out[3] = (uint8_t)size;
        head = 4;
    }
    memset(out + head, 0, 4);
    memcpy(out + head + 4, payload, size);
    return head + 4 + size;
}

static size_t fill_channel(char *out, size_t room, const char *text, int channel)
{
    size_t size = 0;
    for (; *text && size + 16 < room; text++) {
        if (text[0] == '%' && text[1] == 'c') {
            size += (size_t)sprintf(out + size, "%d", channel);
            text++;
        } else {
            out[size++] = *text;
        }
    }
    return size;
}

static void subscribe(struct subscriber *s)
{
    if (opt.no_barrier) {
        become_ready(s);
        return;
    }
    char text[2048];
    uint8_t out[4096];
    size_t size = fill_channel(text, sizeof text, opt.subscribe, s->channel);
    size_t used = size ? frame(out, opt.binary ? BINARY : TEXT, text, size) : 0;
    /* The server handles frames in order: when the pong is there, the subscription is, too. */
    if (!*opt.ready_text) used += frame(out + used, PING, "", 0);
    s->state = SUBSCRIBING;
    put(s, out, used);
}

static void prepare_request(void)
{
    int size = snprintf(request, sizeof request,
                        " HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n",
                        opt.host, opt.port);
    for (int i = 0; i < opt.headers.size; i++)
        size += snprintf(request + size, sizeof request - (size_t)size, "%s\r\n", opt.headers.word[i]);
    if (size >= (int)sizeof request) die("the headers are too long");
    request_size = size;
    path_has_channel = strstr(opt.path, "%c") != NULL;
}

static void read_own_headers(void)
{
    FILE *file = fopen(opt.header_file, "r");
    if (!file) die("%s: %s", opt.header_file, strerror(errno));
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    while ((length = getline(&line, &room, file)) > 0) {
        if (line[length - 1] == '\n') line[--length] = 0;
        if (length > MOST_OWN_HEADER) die("a header in %s is too long", opt.header_file);
        own_headers.line = realloc(own_headers.line, (size_t)(own_headers.size + 1) * sizeof *own_headers.line);
        if (!own_headers.line) die("no memory");
        own_headers.line[own_headers.size++] = strdup(line);
    }
    free(line);
    fclose(file);
}

/* Ends a request's head. */
static size_t finish_head(char *out, int index)
{
    if (!own_headers.size) return (size_t)sprintf(out, "\r\n");
    return (size_t)sprintf(out, "%s\r\n\r\n", own_headers.line[index % own_headers.size]);
}

static void start(struct subscriber *s)
{
    s->state = UPGRADING;
    waiting++;
    int port = opt.second_port && s->index % 2 ? opt.second_port : opt.port; /* half of them each */
    s->fd = tcp_connect(opt.host, port, opt.sources > 1 ? s->index % opt.sources : 0);
    if (s->fd < 0) {
        leave(s, strerror(errno));
        return;
    }
    char out[1024 + sizeof request + MOST_OWN_HEADER + 16] = "GET ";
    size_t size = 4;
    if (path_has_channel) {
        size += fill_channel(out + size, 1024, opt.path, s->channel);
    } else {
        size += (size_t)snprintf(out + size, 1024, "%s", opt.path);
    }
    memcpy(out + size, request, (size_t)request_size);
    size += (size_t)request_size;
    size += finish_head(out + size, s->index);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->fd, &event) < 0) die("epoll");
    put(s, out, size);
}

void subscribers_open(int epoll)
{
    epoll_fd = epoll;
    all = calloc((size_t)opt.subscribers + 1, sizeof *all);
    if (!all) die("no memory");
    prepare_request();
    if (*opt.header_file) read_own_headers();
}

void subscribers_start_some(void)
{
    while (waiting < opt.concurrency && heard.started < opt.subscribers) {
        struct subscriber *s = &all[heard.started];
        s->index = heard.started++;
        s->channel = s->index % opt.channels;
        start(s);
    }
}

bool subscribers_settled(void)
{
    return heard.started == opt.subscribers && waiting == 0;
}

/* -- receiving ------------------------------------------------------------------------------------ */

static uint64_t hex(const uint8_t *digits, int size)
{
    uint64_t value = 0;
    for (int i = 0; i < size; i++) {
        uint8_t digit = digits[i];
        value = value << 4 | (uint64_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
    }
    return value;
}

static void take_message(struct subscriber *s, const uint8_t *mark, uint64_t now)
{
    uint64_t number;
    memcpy(&number, mark + 1, NUMBER_DIGITS); /* the digits as they are: only sums are compared */
    s->sum += number;
    s->count++;
    heard.delivered++;
    if (!now) return;
    uint64_t due = hex(mark + 1 + NUMBER_DIGITS, TIME_DIGITS);
    histogram_add(&heard.latency, now > due ? now - due : 0);
}

/* A frame may carry several messages, and some text around each. */
static void take_payload(struct subscriber *s, const uint8_t *at, const uint8_t *end, uint64_t now)
{
    const uint8_t *mark = at < end && *at == MARK ? at : memchr(at, MARK, (size_t)(end - at));
    if (!mark) {
        heard.others++;
        if (s->state == SUBSCRIBING && *opt.ready_text && memmem(at, (size_t)(end - at), opt.ready_text, strlen(opt.ready_text)))
            become_ready(s);
        return;
    }
    while (mark) {
        if (end - mark < opt.payload) die("a message was cut in two by its frame");
        take_message(s, mark, now);
        at = mark + opt.payload;
        mark = at < end ? memchr(at, MARK, (size_t)(end - at)) : NULL;
    }
}

static void take_control(struct subscriber *s, int opcode, const uint8_t *payload, size_t size)
{
    uint8_t out[160];
    if (opcode == PING) {
        heard.pings++;
        put(s, out, frame(out, PONG, payload, size > 125 ? 125 : size));
    } else if (opcode == PONG) {
        if (s->state == SUBSCRIBING && !*opt.ready_text) become_ready(s);
    } else {
        leave(s, "the server closed the connection");
    }
}

/* Takes one frame at `at`; returns where the next begins, or `at` if the frame is not all there. */
static uint8_t *take_frame(struct subscriber *s, uint8_t *at, uint8_t *end, uint64_t now)
{
    size_t there = (size_t)(end - at), head = 2;
    if (there < 2) return at;
    uint64_t size = at[1];
    if (size & MASKED) die("the server sent a masked frame");
    if (size == 126) {
        head = 4;
        if (there < head) return at;
        size = (uint64_t)at[2] << 8 | at[3];
    } else if (size == 127) {
        head = 10;
        if (there < head) return at;
        size = 0;
        for (int i = 2; i < 10; i++) size = size << 8 | at[i];
        if (size > BUFFER_SIZE - 16) die("a frame of %lu bytes is more than this generator takes", size);
    }
    if (there < head + size) return at;
    int opcode = at[0] & 15;
    if (!(at[0] & FIN) || opcode == 0) die("the server sent a fragmented message");
    if (opcode >= CLOSE)
        take_control(s, opcode, at + head, size);
    else
        take_payload(s, at + head, at + head + size, now);
    return at + head + size;
}

static uint8_t *take_answer(struct subscriber *s, uint8_t *at, uint8_t *end)
{
    uint8_t *blank = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
    if (!blank) return at;
    if (memcmp(at, "HTTP/1.1 101", 12) != 0 || !memmem(at, (size_t)(blank - at), ACCEPT, strlen(ACCEPT))) {
        char why[80];
        snprintf(why, sizeof why, "refused: %.40s", at);
        why[strcspn(why, "\r\n")] = 0;
        leave(s, why);
        return at;
    }
    subscribe(s);
    return blank + 4;
}

/* Keeps the beginning of a frame until the rest comes; nothing is kept between frames. */
static void hold(struct subscriber *s, const uint8_t *at, size_t size)
{
    free(s->held);
    s->held = NULL;
    s->held_size = (uint32_t)size;
    if (size == 0) return;
    s->held = malloc(size);
    if (!s->held) die("no memory");
    memcpy(s->held, at, size);
}

void subscriber_readable(void *subscriber)
{
    struct subscriber *s = subscriber;
    if (s->state == GONE) return;
    size_t held = s->held_size;
    if (held) memcpy(buffer, s->held, held);
    ssize_t got = recv(s->fd, buffer + held, sizeof buffer - held, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        leave(s, got ? strerror(errno) : "the server hung up");
        return;
    }
    uint8_t *at = buffer, *end = buffer + held + got;
    if (s->state == UPGRADING) at = take_answer(s, at, end);
    uint64_t now = s->is_timed ? now_ns() : 0;
    while (s->state != GONE && s->state != UPGRADING) {
        uint8_t *next = take_frame(s, at, end, now);
        if (next == at) break;
        at = next;
    }
    if (s->state != GONE && (at < end || held)) hold(s, at, (size_t)(end - at));
}

/* -- what came of it ------------------------------------------------------------------------------ */

/* At full speed a sample of subscribers is timed: the generator's own work must not be what is measured. */
void subscribers_reset(bool time_all)
{
    heard.delivered = heard.others = 0;
    memset(&heard.latency, 0, sizeof heard.latency);
    bool every = time_all || opt.subscribers <= 4 * TIMED_EVERY;
    for (int i = 0; i < heard.started; i++) {
        all[i].count = all[i].sum = 0;
        all[i].is_timed = every || i % TIMED_EVERY == 0;
    }
}

/* Pieces with data that a sample of subscribers got from the kernel: how often the server wrote. */
struct sample subscribers_sample(void)
{
    struct sample sample = {0, 0};
    for (int i = 0; i < heard.started && i < SAMPLE_SIZE; i++) {
        struct tcp_info info;
        socklen_t size = sizeof info;
        memset(&info, 0, sizeof info);
        if (all[i].state != READY || getsockopt(all[i].fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0) continue;
        sample.segments += info.tcpi_data_segs_in;
        sample.messages += all[i].count;
    }
    return sample;
}

/* How many subscribers did not get exactly the messages of their channel, each once. */
int subscribers_wrong(void)
{
    int wrong = 0;
    for (int i = 0; i < heard.started; i++) {
        const struct channel_total *total = &totals[all[i].channel];
        if (all[i].state != READY || all[i].count != total->count || all[i].sum != total->sum) wrong++;
    }
    return wrong;
}

void subscribers_close(void)
{
    struct linger reset = {1, 0}; /* no thousands of ports in TIME_WAIT for the next run */
    for (int i = 0; i < heard.started; i++) {
        if (all[i].state == GONE) continue;
        setsockopt(all[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(all[i].fd);
    }
}
