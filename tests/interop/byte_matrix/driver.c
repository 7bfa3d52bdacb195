/*
 * Bytes through the XDR routines of rpcgen and back: each request on standard input is a type, a
 * size and so many bytes; each answer is 1, a size and the bytes of the value that was decoded,
 * encoded again, or 0 and 0 if they are refused. All numbers are of four bytes, in the order of
 * the host. "types.h" has the interface's headers and the table TYPES.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <rpc/rpc.h>

struct type {
    size_t size;
    xdrproc_t routine;
    int chained; /* a list of such structures, by their last field */
};

#include "types.h"

static const struct type types[] = {TYPES};

enum { MEMORY = 256 << 20, SECONDS = 5 };

static bool_t code(XDR *xdrs, const struct type *type, void *object)
{
    if (type->chained)
        return xdr_pointer(xdrs, object, type->size, type->routine);
    return type->routine(xdrs, object);
}

static uint32_t number(void)
{
    uint32_t value;

    if (fread(&value, sizeof value, 1, stdin) != 1)
        exit(0);
    return value;
}

static void answer(uint32_t accepted, const char *bytes, uint32_t size)
{
    fwrite(&accepted, sizeof accepted, 1, stdout);
    fwrite(&size, sizeof size, 1, stdout);
    fwrite(bytes, 1, size, stdout);
    fflush(stdout);
}

int main(void)
{
    struct rlimit memory = {MEMORY, MEMORY};

    setrlimit(RLIMIT_AS, &memory);
    for (;;) {
        const struct type *type = &types[number()];
        uint32_t size = number();
        char *bytes = malloc(size + 1);
        char *again = malloc(size + 1);
        void *object = calloc(1, type->chained ? sizeof(void *) : type->size);
        XDR decoding, encoding, freeing;

        if (fread(bytes, 1, size, stdin) != size)
            exit(1);
        alarm(SECONDS);
        xdrmem_create(&decoding, bytes, size, XDR_DECODE);
        xdrmem_create(&encoding, again, size, XDR_ENCODE);
        if (!code(&decoding, type, object))
            answer(0, "", 0);
        else if (!code(&encoding, type, object))
            exit(2);
        else
            answer(1, again, xdr_getpos(&encoding));
        freeing.x_op = XDR_FREE;
        code(&freeing, type, object);
        free(object);
        free(again);
        free(bytes);
    }
}
