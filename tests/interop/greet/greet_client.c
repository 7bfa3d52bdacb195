/* What libtirpc offers to clients, a command for each; the answer is one line on stdout. */

#include <arpa/inet.h>
#include <netconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <rpc/pmap_clnt.h>
#include <rpc/pmap_prot.h>
#include <rpc/pmap_rmt.h>
#include <rpc/rpcb_clnt.h>
#include "greet.h"

static char **words;

static int refused(const char *what)
{
    clnt_pcreateerror(what);
    return 1;
}

static struct netconfig *netconfig_of(const char *netid)
{
    struct netconfig *found = getnetconfigent(netid);

    if (found == NULL) {
        fprintf(stderr, "no netid %s\n", netid);
        exit(1);
    }
    return found;
}

static struct sockaddr_in loopback(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int greet(CLIENT *client, int vers)
{
    char **result;

    if (client == NULL)
        return refused("no client");
    result = vers == 1 ? greet_1("world", client) : greet_2("world", client);
    if (result == NULL) {
        clnt_perror(client, "no greeting");
        return 1;
    }
    puts(*result);
    return 0;
}

/* tp NETID HOST VERS */
static int tp(void)
{
    int vers = atoi(words[2]);

    return greet(clnt_tp_create(words[1], GREET_PROG, vers, netconfig_of(words[0])), vers);
}

/* create NETTYPE HOST VERS */
static int create(void)
{
    int vers = atoi(words[2]);

    return greet(clnt_create(words[1], GREET_PROG, vers, words[0]), vers);
}

/* versions HOST: the highest and lowest version that answers */
static int versions(void)
{
    rpcvers_t found;
    CLIENT *client = clnt_create_vers(words[0], GREET_PROG, &found, 1, 7, "udp");

    if (client == NULL)
        return refused("no client");
    printf("version %u\n", (unsigned)found);
    return 0;
}

/* rmtcall NETID HOST */
static int rmtcall(void)
{
    struct timeval patience = {.tv_sec = atoi(words[2])};
    struct sockaddr_storage room;
    struct netbuf found = {.maxlen = sizeof room, .buf = &room};
    struct netconfig *netconfig = netconfig_of(words[0]);
    char *who = "world", *answer = NULL;
    enum clnt_stat done = rpcb_rmtcall(netconfig, words[1], GREET_PROG, GREET_1, GREET,
        (xdrproc_t)xdr_wrapstring, (char *)&who, (xdrproc_t)xdr_wrapstring, (char *)&answer,
        patience, &found);

    if (done != RPC_SUCCESS) {
        clnt_perrno(done);
        return 1;
    }
    printf("%s from %s\n", answer, taddr2uaddr(netconfig, &found));
    return 0;
}

static bool_t heard(char *answer, struct netbuf *from, struct netconfig *netconfig)
{
    char *uaddr = taddr2uaddr(netconfig, from);

    if (strcmp(netconfig->nc_netid, words[0]) != 0)
        return FALSE;
    printf("%s from %s\n", *(char **)answer, uaddr);
    return TRUE;
}

/* broadcast NETID MILLISECONDS: until one answers over the netid */
static int broadcast(void)
{
    char *who = "world", *answer = NULL;
    int patience = atoi(words[1]);
    enum clnt_stat done = rpc_broadcast_exp(GREET_PROG, GREET_1, GREET,
        (xdrproc_t)xdr_wrapstring, (char *)&who, (xdrproc_t)xdr_wrapstring, (char *)&answer,
        (resultproc_t)heard, patience, patience, "datagram_n");

    if (done != RPC_SUCCESS) {
        clnt_perrno(done);
        return 1;
    }
    return 0;
}

static bool_t heard_by_pmap(char *answer, struct sockaddr_in *from)
{
    printf("%s from %s\n", *(char **)answer, inet_ntoa(from->sin_addr));
    return TRUE;
}

/* clnt_broadcast */
static int old_broadcast(void)
{
    char *who = "world", *answer = NULL;

    return clnt_broadcast(GREET_PROG, GREET_1, GREET, (xdrproc_t)xdr_wrapstring, (char *)&who,
        (xdrproc_t)xdr_wrapstring, (char *)&answer, (resultproc_t)heard_by_pmap) != RPC_SUCCESS;
}

/* pmap_set PROG VERS PROTOCOL PORT */
static int set(void)
{
    printf("%d\n", pmap_set(atoi(words[0]), atoi(words[1]), atoi(words[2]), atoi(words[3])));
    return 0;
}

/* pmap_unset PROG VERS */
static int unset(void)
{
    printf("%d\n", pmap_unset(atoi(words[0]), atoi(words[1])));
    return 0;
}

/* pmap_getport PROG VERS PROTOCOL */
static int getport(void)
{
    struct sockaddr_in host = loopback();

    printf("%u\n", pmap_getport(&host, atoi(words[0]), atoi(words[1]), atoi(words[2])));
    return 0;
}

/* pmap_getmaps PROG: program, version, protocol and port of its registrations */
static int getmaps(void)
{
    struct sockaddr_in host = loopback();
    struct pmaplist *entry = pmap_getmaps(&host);

    for (; entry != NULL; entry = entry->pml_next)
        if (entry->pml_map.pm_prog == (unsigned)atoi(words[0]))
            printf("%lu %lu %lu %lu\n", entry->pml_map.pm_prog, entry->pml_map.pm_vers,
                entry->pml_map.pm_prot, entry->pml_map.pm_port);
    return 0;
}

/* getmaps NETID HOST PROG: the same by rpcb_getmaps */
static int rpcb_maps(void)
{
    rpcblist *entry = rpcb_getmaps(netconfig_of(words[0]), words[1]);

    for (; entry != NULL; entry = entry->rpcb_next)
        if (entry->rpcb_map.r_prog == (unsigned)atoi(words[2]))
            printf("%u %u %s %s %s\n", (unsigned)entry->rpcb_map.r_prog,
                (unsigned)entry->rpcb_map.r_vers, entry->rpcb_map.r_netid,
                entry->rpcb_map.r_addr, entry->rpcb_map.r_owner);
    return 0;
}

/* getaddr NETID HOST PROG VERS */
static int getaddr(void)
{
    struct sockaddr_storage room;
    struct netbuf found = {.maxlen = sizeof room, .buf = &room};
    struct netconfig *netconfig = netconfig_of(words[0]);

    if (!rpcb_getaddr(atoi(words[2]), atoi(words[3]), netconfig, &found, words[1]))
        return refused("no address");
    puts(taddr2uaddr(netconfig, &found));
    return 0;
}

/* gettime HOST */
static int gettime(void)
{
    time_t now = 0;

    if (!rpcb_gettime(words[0], &now))
        return refused("no time");
    printf("%ld\n", (long)now);
    return 0;
}

/* convert NETID UADDR: there and back again by the port mapper */
static int convert(void)
{
    struct netconfig *netconfig = netconfig_of(words[0]);
    struct netbuf *address = rpcb_uaddr2taddr(netconfig, words[1]);

    if (address == NULL)
        return refused("no address");
    printf("%u bytes, %s\n", address->len, rpcb_taddr2uaddr(netconfig, address));
    return 0;
}

static const struct {
    const char *name;
    int (*run)(void);
} COMMANDS[] = {
    {"tp", tp}, {"create", create}, {"versions", versions}, {"rmtcall", rmtcall},
    {"broadcast", broadcast}, {"clnt_broadcast", old_broadcast}, {"pmap_set", set},
    {"pmap_unset", unset}, {"pmap_getport", getport}, {"pmap_getmaps", getmaps},
    {"rpcb_getmaps", rpcb_maps}, {"getaddr", getaddr}, {"gettime", gettime}, {"convert", convert},
};

int main(int count, char **arguments)
{
    size_t i;

    words = arguments + 2;
    for (i = 0; count > 1 && i < sizeof COMMANDS / sizeof *COMMANDS; i++)
        if (strcmp(COMMANDS[i].name, arguments[1]) == 0)
            return COMMANDS[i].run();
    fputs("no such command\n", stderr);
    return 2;
}
