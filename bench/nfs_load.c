/* Keeps calls outstanding at an NFS server, and checks the replies.
 *
 *   nfs_load HOST PORT CALLS SECONDS [RATE IDLE]
 *
 * CALLS is a file in network byte order: the number of connections, of chains, and of calls in each
 * chain; then for each call its flags, its length, and its bytes with an xid to be replaced. Each
 * chain has one call outstanding, and makes its calls in turn, for ever; the chains are spread over
 * the connections. With a RATE each chain makes so many calls a second, and the others wait; IDLE
 * is a number of further connections without any call. Then "ready" is printed when all connections
 * are there.
 *
 * A reply must have the xid of the chain's call, an accepted status, and the status NFS3_OK. Its
 * length must be that of the first reply to that call. With the flag SAME its first and last bytes
 * must be, too, without the time of access with the flag READ; a reply with other bytes is counted
 * as changed.
 *
 * Printed is one line of JSON: calls, seconds, bytes of replies, p50, p99 in microseconds, and the
 * number of wrong and of changed replies. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { HEAD = 256, TAIL = 64, ROOM = 4 << 20, BATCH = 128, SAMPLES = 1 << 22, SAME = 1, READ = 2,
       ATIME = 92 };

struct call {
    uint32_t flags, size;
    unsigned char *bytes, head[HEAD];
    unsigned char tail[TAIL];
    size_t expected;
};
struct chain {
    uint32_t next, xid, resting;
    double began;
};
struct link {
    int fd, writing;
    uint32_t first, *due, dues, due_at; /* chains whose next call is to be sent */
    size_t sent;                        /* bytes of the first of them that were sent */
    size_t left, length;                /* of the fragment, and of the record so far */
    int marked, last;
    unsigned char mark[4], head[HEAD], tail[TAIL];
};

static struct call *calls;
static struct chain *chains;
static uint32_t links_n, chains_n, steps, next_xid = 1;
static double *latency;
static size_t samples;
static unsigned long replies, wrong, changed;
static unsigned long long bytes;
static double rate;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static uint32_t word(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

static uint32_t next_word(FILE *from) {
    unsigned char found[4];
    if (fread(found, 4, 1, from) != 1)
        die("a short file of calls");
    return word(found);
}

static void load(const char *path) {
    FILE *from = fopen(path, "rb");
    if (!from)
        die(path);
    links_n = next_word(from), chains_n = next_word(from), steps = next_word(from);
    calls = calloc((size_t)chains_n * steps, sizeof *calls);
    chains = calloc(chains_n, sizeof *chains);
    for (size_t i = 0; i < (size_t)chains_n * steps; i++) {
        struct call *c = &calls[i];
        c->flags = next_word(from), c->size = next_word(from);
        c->bytes = malloc(c->size);
        if (fread(c->bytes, c->size, 1, from) != 1)
            die("a short file of calls");
    }
    fclose(from);
}

/* Send the calls that are due, many with one system call. */
static void flush(struct link *l) {
    static struct iovec parts[2 * BATCH];
    static unsigned char heads[BATCH][8];
    while (l->dues) {
        uint32_t n = l->dues < BATCH ? l->dues : BATCH;
        size_t skip = l->sent, size = 0;
        int count = 0;
        double at = now();
        for (uint32_t i = 0; i < n; i++) {
            uint32_t number = l->due[(l->due_at + i) % chains_n];
            struct chain *ch = &chains[number];
            struct call *c = &calls[(size_t)number * steps + ch->next % steps];
            if (!ch->xid)
                ch->xid = next_xid++, ch->began = at;
            uint32_t mark = htonl(0x80000000u | c->size), xid = htonl(ch->xid);
            memcpy(heads[i], &mark, 4), memcpy(heads[i] + 4, &xid, 4);
            parts[count++] = (struct iovec){heads[i], 8};
            parts[count++] = (struct iovec){c->bytes + 4, c->size - 4};
            size += c->size + 4;
        }
        struct iovec *first = parts;
        while (skip >= first->iov_len)
            skip -= first->iov_len, first++, count--;
        first->iov_base = (char *)first->iov_base + skip, first->iov_len -= skip;
        ssize_t done = writev(l->fd, first, count);
        if (done < 0 && errno != EAGAIN)
            die("writev");
        done = (done < 0 ? 0 : done) + l->sent;
        int all = (size_t)done == size;
        while (l->dues) {
            uint32_t number = l->due[l->due_at];
            struct chain *ch = &chains[number];
            size_t length = calls[(size_t)number * steps + ch->next % steps].size + 4;
            if ((size_t)done < length || !ch->xid)
                break;
            done -= length, l->dues--, l->due_at = (l->due_at + 1) % chains_n;
        }
        l->sent = done;
        if (!all)
            break;
    }
}

static struct chain *chain_of(uint32_t xid, uint32_t *number) {
    static uint32_t guess; /* replies mostly come in the order of the calls */
    for (uint32_t i = 0; i < chains_n; i++) {
        *number = (guess + i) % chains_n;
        if (chains[*number].xid == xid) {
            guess = *number + 1;
            return &chains[*number];
        }
    }
    return NULL;
}

static void check(struct link *l) {
    uint32_t number;
    const unsigned char *head = l->head;
    struct chain *ch = l->length < 24 ? NULL : chain_of(word(head), &number);
    if (!ch) {
        wrong++;
        return;
    }
    struct call *c = &calls[(size_t)number * steps + ch->next % steps];
    if (c->flags & READ && l->length > ATIME + 8)
        memset(l->head + ATIME, 0, 8);
    size_t part = l->length < HEAD ? l->length : HEAD;
    size_t end = l->length - 4 < TAIL ? l->length - 4 : TAIL; /* without the xid */
    if (!c->expected) {
        c->expected = l->length;
        memcpy(c->head, head, part), memcpy(c->tail, l->tail, TAIL);
    }
    if (l->length != c->expected || word(head + 4) != 1 || word(head + 8) || word(head + 16) ||
        word(head + 20) || (l->length > 24 && word(head + 24)))
        wrong++;
    else if (c->flags & SAME && (memcmp(head + 4, c->head + 4, part - 4) ||
                                 memcmp(l->tail + TAIL - end, c->tail + TAIL - end, end))) {
        changed++;
        memcpy(c->head, head, part), memcpy(c->tail, l->tail, TAIL);
    }
    if (samples < SAMPLES)
        latency[samples++] = now() - ch->began;
    replies++, bytes += l->length;
    ch->xid = 0, ch->next++;
    if (rate)
        ch->resting = 1;
    else
        l->due[(l->due_at + l->dues++) % chains_n] = number;
}

/* Keep the first and the last bytes of a record. */
static void keep(struct link *l, const unsigned char *at, size_t size) {
    if (l->length < HEAD) {
        size_t part = HEAD - l->length < size ? HEAD - l->length : size;
        memcpy(l->head + l->length, at, part);
    }
    if (size >= TAIL) {
        memcpy(l->tail, at + size - TAIL, TAIL);
    } else {
        memmove(l->tail, l->tail + size, TAIL - size);
        memcpy(l->tail + TAIL - size, at, size);
    }
    l->length += size;
}

static void take(struct link *l, const unsigned char *at, size_t size) {
    while (size) {
        if (l->marked < 4) {
            l->mark[l->marked++] = *at++, size--;
            if (l->marked < 4)
                continue;
            l->last = word(l->mark) >> 31, l->left = word(l->mark) & 0x7fffffff;
        }
        size_t part = l->left < size ? l->left : size;
        keep(l, at, part);
        at += part, size -= part, l->left -= part;
        if (!l->left) {
            l->marked = 0;
            if (l->last)
                check(l), l->length = 0;
        }
    }
}

static int dial(const char *host, const char *port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    inet_pton(AF_INET, host, &to.sin_addr);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to))
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* Watch a connection for what it waits for. */
static void watch(struct link *l, uint32_t number, int poller) {
    if (l->writing == (l->dues > 0))
        return;
    l->writing = l->dues > 0;
    struct epoll_event event = {.events = EPOLLIN | (l->writing ? EPOLLOUT : 0),
                                .data.u32 = number};
    epoll_ctl(poller, EPOLL_CTL_MOD, l->fd, &event);
}

/* Let the calls begin whose time has come. */
static void release(struct link *links, double began, int poller) {
    static unsigned long released;
    unsigned long due = (now() - began) * rate * chains_n;
    for (; released < due; released++) {
        uint32_t number = released % chains_n;
        struct link *l = &links[number % links_n];
        if (!chains[number].resting)
            continue;
        chains[number].resting = 0;
        l->due[(l->due_at + l->dues++) % chains_n] = number;
        flush(l), watch(l, number % links_n, poller);
    }
}

static void run(struct link *links, double until) {
    double began = now();
    static unsigned char room[ROOM];
    int poller = epoll_create1(0);
    for (uint32_t i = 0; i < links_n; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(poller, EPOLL_CTL_ADD, links[i].fd, &event);
        flush(&links[i]);
    }
    while (now() < until) {
        struct epoll_event events[256];
        int ready = epoll_wait(poller, events, 256, rate ? 1 : 2000);
        if (rate)
            release(links, began, poller);
        if (!ready && !rate) {
            fprintf(stderr, "no reply for two seconds\n");
            exit(1);
        }
        for (int i = 0; i < ready; i++) {
            struct link *l = &links[events[i].data.u32];
            ssize_t n = read(l->fd, room, sizeof room);
            if (!n || (n < 0 && errno != EAGAIN))
                die("read");
            if (n > 0)
                take(l, room, n);
            flush(l), watch(l, events[i].data.u32, poller);
        }
    }
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc != 5 && argc != 7) {
        fprintf(stderr, "usage: nfs_load HOST PORT CALLS SECONDS [RATE IDLE]\n");
        return 2;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max, setrlimit(RLIMIT_NOFILE, &files);
    load(argv[3]);
    latency = malloc(SAMPLES * sizeof *latency);
    if (argc == 7) {
        rate = atof(argv[5]);
        for (int i = atoi(argv[6]); i > 0; i--)
            dial(argv[1], argv[2]);
    }
    struct link *links = calloc(links_n, sizeof *links);
    for (uint32_t i = 0; i < links_n; i++) {
        links[i].fd = dial(argv[1], argv[2]);
        links[i].due = calloc(chains_n, sizeof(uint32_t));
        for (uint32_t c = i; c < chains_n; c += links_n)
            links[i].due[links[i].dues++] = c;
    }
    if (rate)
        puts("ready"), fflush(stdout);
    double began = now();
    run(links, began + atof(argv[4]));
    double seconds = now() - began;
    qsort(latency, samples, sizeof *latency, by_size);
    printf("{\"calls\": %lu, \"seconds\": %.4f, \"bytes\": %llu, \"p50\": %.2f, \"p99\": %.2f, "
           "\"wrong\": %lu, \"changed\": %lu}\n",
           replies, seconds, bytes, samples ? latency[samples / 2] * 1e6 : 0,
           samples ? latency[samples * 99 / 100] * 1e6 : 0, wrong, changed);
    return 0;
}
