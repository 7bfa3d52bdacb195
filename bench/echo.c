/* Sends every datagram back, 64 at a time: what the machine could do at most.
 *
 *   echo PORT */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { SLOTS = 64, SIZE = 9216 };

int main(int argc, char **argv) {
    static unsigned char data[SLOTS][SIZE];
    static struct sockaddr_in from[SLOTS];
    static struct mmsghdr all[SLOTS];
    static struct iovec at[SLOTS];
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 7)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(fd, (struct sockaddr *)&here, sizeof here)) {
        perror("bind");
        return 1;
    }
    for (;;) {
        for (int i = 0; i < SLOTS; i++) {
            at[i] = (struct iovec){data[i], SIZE};
            all[i].msg_hdr = (struct msghdr){&from[i], sizeof from[i], &at[i], 1, NULL, 0, 0};
        }
        int n = recvmmsg(fd, all, SLOTS, MSG_WAITFORONE, NULL);
        for (int i = 0; i < n; i++)
            at[i].iov_len = all[i].msg_len;
        if (n > 0)
            sendmmsg(fd, all, n, 0);
    }
}
