/* refuse_client NETID HOST PROGRAM COMMAND...: finds a program that serves refuse.x, and calls it.
 *
 * Of each call it prints in a line what clnt_geterr says: the status, and the numbers with it. */

#include <arpa/inet.h>
#include <malloc.h>
#include <netconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "refuse.h"

static const struct timeval PATIENCE = {10, 0};
static unsigned program;
static char **words;
static CLIENT *client;

static void fail(const char *what)
{
    clnt_pcreateerror(what);
    exit(1);
}

static const struct {
    enum clnt_stat stat;
    const char *name;
} NAMES[] = {
    {RPC_SUCCESS, "RPC_SUCCESS"}, {RPC_VERSMISMATCH, "RPC_VERSMISMATCH"},
    {RPC_AUTHERROR, "RPC_AUTHERROR"}, {RPC_PROGUNAVAIL, "RPC_PROGUNAVAIL"},
    {RPC_PROGVERSMISMATCH, "RPC_PROGVERSMISMATCH"}, {RPC_PROCUNAVAIL, "RPC_PROCUNAVAIL"},
    {RPC_CANTDECODEARGS, "RPC_CANTDECODEARGS"}, {RPC_SYSTEMERROR, "RPC_SYSTEMERROR"},
};

static void print_name(enum clnt_stat stat)
{
    size_t i;

    for (i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (NAMES[i].stat == stat) {
            printf("%s", NAMES[i].name);
            return;
        }
    printf("%s", clnt_sperrno(stat));
}

static void print_outcome(enum clnt_stat returned)
{
    struct rpc_err error;

    clnt_geterr(client, &error);
    if (error.re_status != returned)
        printf("returned %d and ", (int)returned);
    print_name(error.re_status);
    if (error.re_status == RPC_AUTHERROR)
        printf(" %d", (int)error.re_why);
    if (error.re_status == RPC_VERSMISMATCH || error.re_status == RPC_PROGVERSMISMATCH)
        printf(" %u %u", (unsigned)error.re_vers.low, (unsigned)error.re_vers.high);
    putchar('\n');
}

/* Bytes written as hexadecimal digits; "-" for none. */
struct bytes {
    u_int length;
    char data[512];
};

static struct bytes bytes_of(const char *digits)
{
    struct bytes made = {0};

    while (made.length < sizeof made.data && sscanf(digits, "%2hhx", &made.data[made.length]) == 1) {
        made.length++;
        digits += 2;
    }
    return made;
}

static bool_t xdr_as_they_are(XDR *xdrs, struct bytes *given)
{
    return xdr_opaque(xdrs, given->data, given->length);
}

static bool_t marshal(AUTH *auth, XDR *xdrs)
{
    return xdr_opaque_auth(xdrs, &auth->ah_cred) && xdr_opaque_auth(xdrs, &auth->ah_verf);
}

/* AUTH_NONE in all but what is sent. */
static AUTH *auth_of(int flavor, struct bytes *body)
{
    static AUTH made;
    static struct auth_ops ops;

    made = *client->cl_auth;
    ops = *made.ah_ops;
    ops.ah_marshal = (int (*)(AUTH *, XDR *))marshal;
    made.ah_ops = &ops;
    made.ah_cred = (struct opaque_auth){flavor, body->data, body->length};
    return &made;
}

/* There is no clnt_control for it: the header that is sent lies in what the handle keeps to itself,
 * and is found there by the four words that are known of it. */
static void set_rpc_version(uint32_t from, uint32_t to)
{
    uint32_t known[] = {htonl(CALL), htonl(from), htonl(program), htonl(REFUSE_3)};
    size_t size = malloc_usable_size(client->cl_private);
    char *found = memmem(client->cl_private, size, known, sizeof known);

    if (found == NULL)
        fail("no header");
    to = htonl(to);
    memcpy(found + sizeof to, &to, sizeof to);
}

static enum clnt_stat null(void)
{
    return clnt_call(client, NULLPROC, (xdrproc_t)xdr_void, NULL, (xdrproc_t)xdr_void, NULL,
        PATIENCE);
}

/* call PROGRAM VERSION PROCEDURE FLAVOR CREDENTIAL ARGUMENTS, without results; then NULL */
static void call(void)
{
    struct bytes body = bytes_of(words[4]), arguments = bytes_of(words[5]);
    uint32_t prog = strtoul(words[0], NULL, 10), vers = strtoul(words[1], NULL, 10);
    AUTH *before = client->cl_auth;

    clnt_control(client, CLSET_PROG, &prog);
    clnt_control(client, CLSET_VERS, &vers);
    client->cl_auth = auth_of(atoi(words[3]), &body);
    print_outcome(clnt_call(client, strtoul(words[2], NULL, 10), (xdrproc_t)xdr_as_they_are,
        &arguments, (xdrproc_t)xdr_void, NULL, PATIENCE));
    client->cl_auth = before;
    clnt_control(client, CLSET_PROG, &program);
    vers = REFUSE_3;
    clnt_control(client, CLSET_VERS, &vers);
    print_outcome(null());
}

/* rpc VERSION: NULL in that version of RPC, then in ours */
static void rpc(void)
{
    uint32_t other = strtoul(words[0], NULL, 10);

    set_rpc_version(RPC_MSG_VERSION, other);
    print_outcome(null());
    set_rpc_version(other, RPC_MSG_VERSION);
    print_outcome(null());
}

/* next UNIT AT VALUE MARK MARK MARK */
static void next(void)
{
    int i, marks[3];
    reading given = {words[0], atoll(words[1]), atof(words[2]), {3, marks}}, found = {0};

    for (i = 0; i < 3; i++)
        marks[i] = atoi(words[3 + i]);
    print_outcome(clnt_call(client, NEXT, (xdrproc_t)xdr_reading, &given, (xdrproc_t)xdr_reading,
        &found, PATIENCE));
    printf("%s %lld %g", found.unit, (long long)found.at, found.value);
    for (i = 0; i < (int)found.marks.marks_len; i++)
        printf(" %d", found.marks.marks_val[i]);
    putchar('\n');
}

/* complement SIZE: of bytes that count up; how many of the result's are right */
static void complement(void)
{
    block given = {strtoul(words[0], NULL, 10)}, found = {0};
    u_int i, right = 0;

    given.block_val = malloc(given.block_len);
    for (i = 0; i < given.block_len; i++)
        given.block_val[i] = i % 251;
    print_outcome(clnt_call(client, COMPLEMENT, (xdrproc_t)xdr_block, &given, (xdrproc_t)xdr_block,
        &found, PATIENCE));
    for (i = 0; i < found.block_len; i++)
        right += (unsigned char)found.block_val[i] == 255 - i % 251;
    printf("%u of %u\n", right, found.block_len);
}

static const struct {
    const char *name;
    int count;
    void (*run)(void);
} COMMANDS[] = {{"call", 6, call}, {"rpc", 1, rpc}, {"next", 6, next}, {"complement", 1, complement}};

int main(int count, char **arguments)
{
    struct netconfig *netconfig;
    size_t i;

    if (count < 5 || (netconfig = getnetconfigent(arguments[1])) == NULL)
        return 2;
    program = strtoul(arguments[3], NULL, 10);
    words = arguments + 5;
    client = clnt_tp_create(arguments[2], program, REFUSE_3, netconfig);
    if (client == NULL)
        fail("no client");
    for (i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++)
        if (strcmp(COMMANDS[i].name, arguments[4]) == 0 && count == 5 + COMMANDS[i].count) {
            COMMANDS[i].run();
            return 0;
        }
    return 2;
}
