/* refuse_server PROGRAM PATH: serves refuse.x under that number, on every visible transport and on
 * the local socket PATH. Its dispatch is written by hand: that of rpcgen cannot be told to refuse. */

#include <netconfig.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "refuse.h"

static unsigned long program;

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void next(SVCXPRT *transport)
{
    reading given = {0};
    u_int i, last;

    if (!svc_getargs(transport, (xdrproc_t)xdr_reading, (char *)&given)) {
        svcerr_decode(transport);
        return;
    }
    given.at++;
    given.value = -given.value;
    for (i = 0, last = given.marks.marks_len; i + 1 < last; i++, last--) {
        int mark = given.marks.marks_val[i];

        given.marks.marks_val[i] = given.marks.marks_val[last - 1];
        given.marks.marks_val[last - 1] = mark;
    }
    svc_sendreply(transport, (xdrproc_t)xdr_reading, (char *)&given);
    svc_freeargs(transport, (xdrproc_t)xdr_reading, (char *)&given);
}

static void complement(SVCXPRT *transport)
{
    block given = {0};
    u_int i;

    if (!svc_getargs(transport, (xdrproc_t)xdr_block, (char *)&given)) {
        svcerr_decode(transport);
        return;
    }
    for (i = 0; i < given.block_len; i++)
        given.block_val[i] = ~given.block_val[i];
    svc_sendreply(transport, (xdrproc_t)xdr_block, (char *)&given);
    svc_freeargs(transport, (xdrproc_t)xdr_block, (char *)&given);
}

/* No svcerr_ routine says it: libtirpc drops a call of another version of RPC before it is seen. */
static void mismatch(SVCXPRT *transport, const range *served)
{
    struct rpc_msg reply = {.rm_direction = REPLY};

    reply.rm_reply.rp_stat = MSG_DENIED;
    reply.rjcted_rply.rj_stat = RPC_MISMATCH;
    reply.rjcted_rply.rj_vers.low = served->low;
    reply.rjcted_rply.rj_vers.high = served->high;
    SVC_REPLY(transport, &reply);
}

static void refuse(SVCXPRT *transport)
{
    refusal wanted = {0};

    if (!svc_getargs(transport, (xdrproc_t)xdr_refusal, (char *)&wanted)) {
        svcerr_decode(transport);
        return;
    }
    switch (wanted.say) {
    case SAY_RPC_MISMATCH:
        mismatch(transport, &wanted.refusal_u.served);
        break;
    case SAY_AUTH_ERROR:
        svcerr_auth(transport, wanted.refusal_u.why);
        break;
    case SAY_PROG_UNAVAIL:
        svcerr_noprog(transport);
        break;
    case SAY_PROG_MISMATCH:
        svcerr_progvers(transport, wanted.refusal_u.served.low, wanted.refusal_u.served.high);
        break;
    case SAY_PROC_UNAVAIL:
        svcerr_noproc(transport);
        break;
    case SAY_GARBAGE_ARGS:
        svcerr_decode(transport);
        break;
    case SAY_SYSTEM_ERR:
        svcerr_systemerr(transport);
        break;
    }
}

static void dispatch_5(struct svc_req *call, SVCXPRT *transport)
{
    switch (call->rq_proc) {
    case NULLPROC:
        svc_sendreply(transport, (xdrproc_t)xdr_void, NULL);
        break;
    case FAIL:
        svcerr_systemerr(transport);
        break;
    default:
        svcerr_noproc(transport);
    }
}

static void dispatch_3(struct svc_req *call, SVCXPRT *transport)
{
    switch (call->rq_proc) {
    case NEXT:
        next(transport);
        break;
    case COMPLEMENT:
        complement(transport);
        break;
    case REFUSE:
        refuse(transport);
        break;
    default:
        dispatch_5(call, transport);
    }
}

/* libtirpc does not bind local sockets by itself. */
static int bound_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    unlink(path);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 8) != 0)
        fail("no local socket");
    return fd;
}

typedef void (*dispatcher)(struct svc_req *, SVCXPRT *);

static void serve(unsigned long version, dispatcher dispatch, SVCXPRT *local)
{
    if (!svc_reg(local, program, version, dispatch, getnetconfigent("local")))
        fail("not registered for local");
    if (svc_create(dispatch, program, version, "visible") != 4)
        fail("not registered for every visible transport");
}

static void end(int number)
{
    (void)number;
    svc_unreg(program, REFUSE_3);
    svc_unreg(program, REFUSE_5);
    _exit(0);
}

int main(int count, char **arguments)
{
    SVCXPRT *local;

    if (count != 3)
        fail("usage: refuse_server PROGRAM PATH");
    program = strtoul(arguments[1], NULL, 10);
    local = svc_tli_create(bound_socket(arguments[2]), getnetconfigent("local"), NULL, 0, 0);
    if (local == NULL)
        fail("no local transport");
    serve(REFUSE_3, dispatch_3, local);
    serve(REFUSE_5, dispatch_5, local);
    signal(SIGTERM, end);
    puts("ready");
    fflush(stdout);
    svc_run();
    return 1;
}
