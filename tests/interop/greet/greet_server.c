/* Serves both versions as programs written for TI-RPC do: svc_create on every visible transport,
 * and version 1 on a local socket. Unregisters at SIGTERM. */

#include <netconfig.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "greet.h"

#define PATH "/run/greet.sock"

void greet_prog_1(struct svc_req *call, SVCXPRT *transport);
void greet_prog_2(struct svc_req *call, SVCXPRT *transport);

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/* libtirpc does not bind local sockets by itself. */
static int bound_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = PATH};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    unlink(PATH);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 8) != 0)
        fail("no local socket");
    return fd;
}

static void serve_local(void)
{
    struct netconfig *local = getnetconfigent("local");
    SVCXPRT *transport = svc_tli_create(bound_socket(), local, NULL, 0, 0);

    if (transport == NULL || !svc_reg(transport, GREET_PROG, GREET_1, greet_prog_1, local))
        fail("no local transport");
}

static void end(int number)
{
    (void)number;
    svc_unreg(GREET_PROG, GREET_1);
    svc_unreg(GREET_PROG, GREET_2);
    _exit(0);
}

int main(void)
{
    if (svc_create(greet_prog_1, GREET_PROG, GREET_1, "visible") == 0)
        fail("version 1 was not registered");
    if (svc_create(greet_prog_2, GREET_PROG, GREET_2, "visible") == 0)
        fail("version 2 was not registered");
    serve_local();
    signal(SIGTERM, end);
    puts("ready");
    fflush(stdout);
    svc_run();
    return 1;
}
