/*
 * What one core of this machine can do: a broadcast server with nothing in it but the system calls.
 *
 *   cc -O2 -std=gnu11 -o limit limit.c
 *   limit PORT each     one send() for every subscriber and message
 *   limit PORT joined   what one look at the sockets brought is joined: one send() for every subscriber
 *
 * One channel; who opens a WebSocket is subscribed. No authentication, no origin, no limits, no time-outs;
 * the answer to the handshake is the constant that belongs to the load generator's key. Like any real
 * server it loses nothing: what a socket does not take waits for it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_CLIENTS = 65536, EVENTS = 256, INPUT = 65536, OUTPUT = 1 << 20, MOST_MESSAGE = 60000 };

static const char UPGRADED[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static const char TAKEN[] = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

struct client {
    bool is_subscriber;
    int place;              /* in `subscribers` */
    char *input;            /* an incomplete request or frame */
    size_t input_size;
    char *backlog;          /* what the socket has not taken */
    size_t backlog_size;
};

static struct client *clients; /* by descriptor */
static int *subscribers, subscribers_size, epoll_fd;
static char frames[OUTPUT];
static size_t frames_size;
static bool joined;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void drop(int fd)
{
    struct client *c = &clients[fd];
    if (c->is_subscriber) {
        int last = subscribers[--subscribers_size];
        subscribers[c->place] = last;
        clients[last].place = c->place;
    }
    free(c->input);
    free(c->backlog);
    memset(c, 0, sizeof *c);
    close(fd);
}

static void watch(int fd, uint32_t events, int how)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll_fd, how, fd, &event) < 0) fail("epoll_ctl");
}

static void keep(int fd, const char *data, size_t size)
{
    struct client *c = &clients[fd];
    if (!c->backlog) watch(fd, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    c->backlog = realloc(c->backlog, c->backlog_size + size);
    if (!c->backlog) fail("realloc");
    memcpy(c->backlog + c->backlog_size, data, size);
    c->backlog_size += size;
}

static void put(int fd, const char *data, size_t size)
{
    ssize_t sent = 0;
    if (!clients[fd].backlog) {
        sent = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent == (ssize_t)size) return;
        if (sent < 0 && errno != EAGAIN) return; /* epoll will tell of its end */
        if (sent < 0) sent = 0;
    }
    keep(fd, data + sent, size - (size_t)sent);
}

static void put_backlog(int fd)
{
    struct client *c = &clients[fd];
    ssize_t sent = send(fd, c->backlog, c->backlog_size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent <= 0) return;
    c->backlog_size -= (size_t)sent;
    memmove(c->backlog, c->backlog + sent, c->backlog_size);
    if (c->backlog_size) return;
    free(c->backlog);
    c->backlog = NULL;
    watch(fd, EPOLLIN, EPOLL_CTL_MOD);
}

static void flush_all(void)
{
    for (int i = 0; i < subscribers_size && frames_size; i++) put(subscribers[i], frames, frames_size);
    frames_size = 0;
}

static void broadcast(const char *message, size_t size)
{
    if (size > MOST_MESSAGE) return;
    if (frames_size + size + 4 > OUTPUT) flush_all();
    char *at = frames + frames_size;
    *at++ = (char)0x81;
    if (size < 126) {
        *at++ = (char)size;
    } else {
        *at++ = 126;
        *at++ = (char)(size >> 8);
        *at++ = (char)size;
    }
    memcpy(at, message, size);
    frames_size = (size_t)(at - frames) + size;
    if (!joined) flush_all();
}

static void upgrade(int fd)
{
    clients[fd].is_subscriber = true;
    clients[fd].place = subscribers_size;
    subscribers[subscribers_size++] = fd;
    put(fd, UPGRADED, sizeof UPGRADED - 1);
}

/* One request; returns how many bytes it took, 0 while it is incomplete. */
static size_t take_request(int fd, const char *data, size_t size)
{
    const char *blank = memmem(data, size, "\r\n\r\n", 4);
    if (!blank) return 0;
    size_t head = (size_t)(blank - data) + 4, body = 0;
    const char *length = memmem(data, head, "Content-Length: ", 16);
    if (length) body = strtoul(length + 16, NULL, 10);
    if (size < head + body) return 0;
    if (!strncmp(data, "GET ", 4)) {
        upgrade(fd);
        return head;
    }
    const char *message = memmem(data + head, body, "message=", 8);
    if (message) broadcast(message + 8, body - (size_t)(message + 8 - data - (ssize_t)head));
    put(fd, TAKEN, sizeof TAKEN - 1);
    return head + body;
}

/* One frame of a client; only pings matter. */
static size_t take_frame(int fd, const char *data, size_t size)
{
    if (size < 2) return 0;
    size_t payload = (uint8_t)data[1] & 127, head = 6;
    if (payload == 127) fail("a client sent a huge frame");
    if (payload == 126) {
        if (size < 4) return 0;
        payload = (size_t)(uint8_t)data[2] << 8 | (uint8_t)data[3];
        head = 8;
    }
    if (size < head + payload) return 0;
    if ((data[0] & 15) == 9 && payload < 126) {
        char pong[128] = {(char)0x8A, (char)payload};
        for (size_t i = 0; i < payload; i++) pong[2 + i] = data[head + i] ^ data[head - 4 + i % 4];
        put(fd, pong, 2 + payload);
    }
    return head + payload;
}

static void read_client(int fd)
{
    static char input[INPUT * 2];
    struct client *c = &clients[fd];
    size_t have = c->input_size;
    memcpy(input, c->input ? c->input : "", have);
    ssize_t got = recv(fd, input + have, INPUT, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        drop(fd);
        return;
    }
    size_t size = have + (size_t)got, at = 0, used = 1;
    while (at < size && used) {
        used = c->is_subscriber ? take_frame(fd, input + at, size - at) : take_request(fd, input + at, size - at);
        at += used;
    }
    free(c->input);
    c->input = NULL;
    c->input_size = size - at;
    if (c->input_size > INPUT) {
        drop(fd);
    } else if (c->input_size) {
        c->input = malloc(c->input_size);
        memcpy(c->input, input + at, c->input_size);
    }
}

static void accept_all(int listener)
{
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= MOST_CLIENTS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(fd, EPOLLIN, EPOLL_CTL_ADD);
    }
}

static int listen_on(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0) fail("listen");
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: limit PORT each|joined\n");
        return 1;
    }
    joined = !strcmp(argv[2], "joined");
    signal(SIGPIPE, SIG_IGN);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    clients = calloc(MOST_CLIENTS, sizeof *clients);
    subscribers = calloc(MOST_CLIENTS, sizeof *subscribers);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int listener = listen_on(atoi(argv[1]));
    watch(listener, EPOLLIN, EPOLL_CTL_ADD);
    struct epoll_event events[EVENTS];
    for (;;) {
        int size = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < size; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                accept_all(fd);
                continue;
            }
            if (events[i].events & EPOLLOUT) put_backlog(fd);
            if (events[i].events & ~(uint32_t)EPOLLOUT) read_client(fd);
        }
        flush_all();
    }
}
