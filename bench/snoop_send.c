/* Sends RPC calls and their replies between two UDP sockets of the loopback interface.
 *
 *   snoop_send CALL REPLY PACKETS RATE
 *
 * CALL and REPLY are messages in hexadecimal; each pair gets an xid of its own. PACKETS are sent at
 * RATE packets a second, half of them calls. Printed are the seconds that it took. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { PAIRS = 32, ROOM = 2048 };

static struct mmsghdr messages[2][PAIRS];
static struct iovec parts[2][PAIRS];
static unsigned char bytes[2][PAIRS][ROOM];
static struct sockaddr_in ends[2];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* A socket at a free port. What it receives is thrown away by the small buffer. */
static int opened(struct sockaddr_in *end)
{
    int sock = socket(AF_INET, SOCK_DGRAM, 0), room = 1;
    socklen_t size = sizeof *end;

    *end = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (sock < 0 || bind(sock, (struct sockaddr *)end, sizeof *end) < 0
        || getsockname(sock, (struct sockaddr *)end, &size) < 0)
        fail("snoop_send: socket");
    setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    return sock;
}

static size_t parsed(const char *text, unsigned char *into)
{
    size_t size = 0;

    for (; text[0] && text[1] && size < ROOM; text += 2, size++) {
        unsigned value;
        if (sscanf(text, "%2x", &value) != 1) {
            fprintf(stderr, "snoop_send: not hexadecimal: %s\n", text);
            exit(2);
        }
        into[size] = (unsigned char)value;
    }
    return size;
}

int main(int count, char **words)
{
    if (count != 5) {
        fprintf(stderr, "usage: snoop_send CALL REPLY PACKETS RATE\n");
        return 2;
    }
    long packets = atol(words[3]);
    double rate = atof(words[4]), begun;
    int socks[2] = {opened(&ends[0]), opened(&ends[1])};

    for (int side = 0; side < 2; side++)
        for (int at = 0; at < PAIRS; at++) {
            parts[side][at].iov_base = bytes[side][at];
            parts[side][at].iov_len = parsed(words[1 + side], bytes[side][at]);
            messages[side][at].msg_hdr = (struct msghdr){
                .msg_name = &ends[1 - side], .msg_namelen = sizeof ends[0],
                .msg_iov = &parts[side][at], .msg_iovlen = 1};
        }
    begun = now();
    uint32_t xid = 1;
    for (long sent = 0; sent < packets; sent += 2 * PAIRS) {
        for (int at = 0; at < PAIRS; at++, xid++) {
            uint32_t word = htonl(xid);
            memcpy(bytes[0][at], &word, 4);
            memcpy(bytes[1][at], &word, 4);
        }
        for (int side = 0; side < 2; side++)
            if (sendmmsg(socks[side], messages[side], PAIRS, 0) != PAIRS)
                fail("snoop_send: sendmmsg");
        while (now() - begun < (sent + 2 * PAIRS) / rate)
            ; /* the next batch is due later; sleeping would be too coarse */
    }
    printf("%.3f\n", now() - begun);
    return 0;
}
