/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A datagram socket is connected to it, which sends nothing: what goes to an address of
 * its own the kernel sends from there. To bind to it would ask less: a host may permit
 * that for any address (ip_nonlocal_bind).
 */
#include "mech/localaddr.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/cleanup.h"

enum { ANY_PORT = 9 }; /* 0 is none to connect to */

/* Its source address; -ENOENT: there is no way there, or no address to go there from. */
static int source_of(int family, const void *to, socklen_t len, void *ret)
{
	_cleanup_fd_ int sock = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return errno == EAFNOSUPPORT ? -ENOENT : -errno;
	if (connect(sock, to, len) < 0)
		return errno == ENETUNREACH || errno == EHOSTUNREACH || errno == EADDRNOTAVAIL
			       ? -ENOENT
			       : -errno;
	return getsockname(sock, ret, &len) < 0 ? -errno : 0;
}

/* EACCES: a broadcast address, which nobody may write to unasked. */
static int has_ipv4(const struct ipaddr *a)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(ANY_PORT) }, from;
	int r;

	memcpy(&to.sin_addr, ipaddr_4(a), sizeof(to.sin_addr));
	r = source_of(AF_INET, &to, sizeof(to), &from);
	if (r == -EACCES)
		return 1;
	return r < 0 ? r : from.sin_addr.s_addr == to.sin_addr.s_addr;
}

static int has_ipv6(const struct ipaddr *a, uint32_t ifindex)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(ANY_PORT) }, from;
	int r;

	memcpy(&to.sin6_addr, a->b, sizeof(to.sin6_addr));
	if (IN6_IS_ADDR_LINKLOCAL(&to.sin6_addr))
		to.sin6_scope_id = ifindex;
	r = source_of(AF_INET6, &to, sizeof(to), &from);
	return r < 0 ? r : IN6_ARE_ADDR_EQUAL(&from.sin6_addr, &to.sin6_addr);
}

int localaddr_has(const struct ipaddr *a, uint32_t ifindex)
{
	int r = ipaddr_is4(a) ? has_ipv4(a) : has_ipv6(a, ifindex);

	return r == -ENOENT ? 0 : r;
}
