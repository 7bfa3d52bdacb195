/* Keeps calls outstanding at an RPC server, and counts the replies.
 *
 *   load udp|tcp|local|connect HOST PORT|PATH OUTSTANDING SECONDS CALL [SOURCES]
 *
 * CALL is the call in hexadecimal, without record mark; its xid is replaced. Of two calls with a
 * comma between them each is made in turn; they have the same length. The first reply is what every
 * other one has to be, save the xid. Printed is one line of JSON: calls, seconds, p50
 * and p99 in microseconds, and how many replies were wrong or lost. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MAX_OUT = 4096, MAX_REPLY = 9216, SAMPLES = 1 << 22, BIG = 8 << 20 };

static unsigned char call[2][9216], expected[BIG];
static size_t call_size, expected_size;
static int outstanding;
static double *latency;
static size_t samples;
static uint32_t next_xid = 1;
static double began_at[1 << 16];
static unsigned long replies, wrong;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static uint32_t stamp(unsigned char *at) {
    uint32_t xid = next_xid++, big = htonl(xid);
    memcpy(at, call[xid & 1], call_size);
    memcpy(at, &big, 4);
    began_at[xid & 0xffff] = now();
    return xid;
}

static void check(const unsigned char *reply, size_t size) {
    uint32_t xid;
    memcpy(&xid, reply, 4);
    xid = ntohl(xid);
    if (!expected_size && size >= 24 && size <= BIG) {
        memcpy(expected, reply, size);
        expected_size = size;
    }
    if (size != expected_size || memcmp(reply + 4, expected + 4, size - 4) || xid >= next_xid)
        wrong++;
    if (samples < SAMPLES)
        latency[samples++] = now() - began_at[xid & 0xffff];
    replies++;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(double seconds, unsigned long lost) {
    qsort(latency, samples, sizeof *latency, by_size);
    printf("{\"calls\": %lu, \"seconds\": %.4f, \"p50\": %.2f, \"p99\": %.2f, \"wrong\": %lu, "
           "\"lost\": %lu, \"reply\": %zu}\n",
           replies, seconds, samples ? latency[samples / 2] * 1e6 : 0,
           samples ? latency[samples * 99 / 100] * 1e6 : 0, wrong, lost, expected_size);
}

static int network(const char *host, const char *port, int type, int source) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    int fd = socket(AF_INET, type, 0), one = 1;
    if (fd < 0)
        die("socket");
    inet_pton(AF_INET, host, &to.sin_addr);
    if (source) {
        struct sockaddr_in from = to;
        from.sin_port = 0;
        from.sin_addr.s_addr = htonl(ntohl(to.sin_addr.s_addr) + source);
        if (bind(fd, (struct sockaddr *)&from, sizeof from))
            die("bind");
    }
    if (type == SOCK_STREAM)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&to, sizeof to))
        die("connect");
    return fd;
}

static int local(const char *path) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strncpy(to.sun_path, path, sizeof to.sun_path - 1);
    if (connect(fd, (struct sockaddr *)&to, sizeof to))
        die("connect");
    return fd;
}

/* UDP: as many are sent as replies have come, each with one system call for all. */
static unsigned long datagrams(int *fds, int sources, double until) {
    static unsigned char in[64][MAX_REPLY], out[64][9216];
    static struct mmsghdr received[64], sent[64];
    static struct iovec in_at[64], out_at[64];
    unsigned long lost = 0;
    for (int i = 0; i < 64; i++) {
        in_at[i] = (struct iovec){in[i], MAX_REPLY};
        out_at[i] = (struct iovec){out[i], call_size};
        received[i].msg_hdr = (struct msghdr){.msg_iov = &in_at[i], .msg_iovlen = 1};
        sent[i].msg_hdr = (struct msghdr){.msg_iov = &out_at[i], .msg_iovlen = 1};
    }
    int due[64] = {0};
    for (int s = 0; s < sources; s++)
        due[s] = outstanding / sources;
    while (now() < until) {
        struct pollfd polled[64];
        int got = 0;
        for (int s = 0; s < sources; s++) {
            while (due[s]) {
                int n = due[s] < 64 ? due[s] : 64;
                for (int i = 0; i < n; i++)
                    stamp(out[i]);
                n = sendmmsg(fds[s], sent, n, 0);
                if (n < 0)
                    die("sendmmsg");
                due[s] -= n;
            }
        }
        for (int s = 0; s < sources; s++) {
            int n = recvmmsg(fds[s], received, 64, MSG_DONTWAIT, NULL);
            for (int i = 0; i < n; i++)
                check(in[i], received[i].msg_len);
            if (n > 0)
                due[s] += n, got += n;
            polled[s] = (struct pollfd){fds[s], POLLIN, 0};
        }
        if (!got && !poll(polled, sources, 200)) {
            lost += outstanding;
            for (int s = 0; s < sources; s++)
                due[s] = outstanding / sources;
        }
    }
    return lost;
}

/* A stream: records out as replies come in. */
static unsigned long stream(int fd, double until) {
    static unsigned char in[BIG], record[BIG], out[1 << 20];
    size_t have = 0, begun = 0;
    int due = outstanding;
    while (now() < until) {
        size_t size = 0;
        for (; due && size + call_size + 4 < sizeof out; due--) {
            uint32_t mark = htonl(0x80000000u | call_size);
            memcpy(out + size, &mark, 4);
            stamp(out + size + 4);
            size += call_size + 4;
        }
        for (size_t done = 0; done < size;) {
            ssize_t n = write(fd, out + done, size - done);
            if (n <= 0)
                die("write");
            done += n;
        }
        ssize_t n = read(fd, in + have, sizeof in - have);
        if (n <= 0)
            die("read");
        have += n;
        size_t at = 0;
        while (have - at >= 4) {
            uint32_t mark;
            memcpy(&mark, in + at, 4);
            size_t length = ntohl(mark) & 0x7fffffff;
            int last = ntohl(mark) >> 31;
            if (have - at < length + 4)
                break;
            if (last && !begun) {
                check(in + at + 4, length);
            } else { /* one of several fragments */
                memcpy(record + begun, in + at + 4, length);
                begun += length;
                if (last)
                    check(record, begun), begun = 0;
            }
            at += length + 4, due += last;
        }
        memmove(in, in + at, have - at);
        have -= at;
    }
    return 0;
}

/* A connection for every call, so many at a time. */
static unsigned long connections(const char *host, const char *port, double until) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    static unsigned char in[MAX_REPLY], out[9216];
    int poller = epoll_create1(0), open_now = 0;
    unsigned long lost = 0;
    inet_pton(AF_INET, host, &to.sin_addr);
    while (now() < until || open_now) {
        struct epoll_event events[256];
        for (; open_now < outstanding && now() < until; open_now++) {
            int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            struct linger at_once = {1, 0};
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
            connect(fd, (struct sockaddr *)&to, sizeof to);
            struct epoll_event event = {.events = EPOLLOUT, .data.fd = fd};
            epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
        }
        int ready = epoll_wait(poller, events, 256, 200);
        if (!ready && now() >= until)
            break;
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (events[i].events & EPOLLOUT) {
                uint32_t mark = htonl(0x80000000u | call_size);
                memcpy(out, &mark, 4);
                stamp(out + 4);
                if (write(fd, out, call_size + 4) != (ssize_t)call_size + 4) {
                    lost++, open_now--, close(fd);
                    continue;
                }
                struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
                epoll_ctl(poller, EPOLL_CTL_MOD, fd, &event);
            } else {
                ssize_t n = read(fd, in, sizeof in);
                if (n > 4)
                    check(in + 4, n - 4);
                else
                    lost++;
                close(fd), open_now--;
            }
        }
    }
    return lost;
}

int main(int argc, char **argv) {
    if (argc < 7) {
        fprintf(stderr, "usage: load udp|tcp|connect|local HOST PORT|PATH OUTSTANDING SECONDS CALL"
                        " [SOURCES]\n");
        return 2;
    }
    const char *mode = argv[1], *hex = argv[6];
    int sources = argc > 7 ? atoi(argv[7]) : 1, fds[64];
    double seconds = atof(argv[5]);
    outstanding = atoi(argv[4]);
    latency = malloc(SAMPLES * sizeof *latency);
    for (int which = 1; which >= 0; which--) {
        for (call_size = 0; hex[2 * call_size] && hex[2 * call_size] != ','; call_size++)
            sscanf(hex + 2 * call_size, "%2hhx", &call[which][call_size]);
        if (hex[2 * call_size])
            hex += 2 * call_size + 1;
    }
    unsigned long lost = 0;
    double began = now(), until = began + seconds;
    if (!strcmp(mode, "udp")) {
        for (int s = 0; s < sources; s++)
            fds[s] = network(argv[2], argv[3], SOCK_DGRAM, sources > 1 ? s + 1 : 0);
        lost = datagrams(fds, sources, until);
    } else if (!strcmp(mode, "tcp")) {
        lost = stream(network(argv[2], argv[3], SOCK_STREAM, 0), until);
    } else if (!strcmp(mode, "connect")) {
        lost = connections(argv[2], argv[3], until);
    } else {
        lost = stream(local(argv[3]), until);
    }
    report(now() - began, lost);
    return 0;
}
