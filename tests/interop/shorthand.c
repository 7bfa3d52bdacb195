/* Calls procedure 0 of a program four times with AUTH_SYS, and prints the flavor used after each. */

#include <arpa/inet.h>
#include <rpc/rpc.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	struct sockaddr_in place = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])) };
	struct timeval timeout = { 5, 0 };
	int sock = RPC_ANYSOCK;

	inet_pton(AF_INET, "127.0.0.1", &place.sin_addr);
	CLIENT *client = clnttcp_create(&place, atoi(argv[2]), atoi(argv[3]), &sock, 0, 0);
	if (client == NULL)
		return 1;
	client->cl_auth = authunix_create_default();
	for (int i = 0; i < 4; i++) {
		if (clnt_call(client, 0, (xdrproc_t)xdr_void, NULL, (xdrproc_t)xdr_void, NULL, timeout))
			return 1;
		printf("%d\n", (int)client->cl_auth->ah_cred.oa_flavor);
	}
	return 0;
}
