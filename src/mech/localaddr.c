/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A datagram socket is connected to it, which sends nothing: what goes to an address of
 * its own the kernel sends from there. To bind to it would ask less: a host may permit
 * that for any address (ip_nonlocal_bind).
 */
#include "mech/localaddr.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/cleanup.h"

enum { ANY_PORT = 9 }; /* 0 is none to connect to */

/* What routes say that lead nowhere: none, unreachable, prohibit, blackhole; or no source. */
static bool leads_nowhere(int error)
{
	return error == ENETUNREACH || error == EHOSTUNREACH || error == EACCES ||
	       error == EINVAL || error == EADDRNOTAVAIL;
}

/* Its source address; -ENOENT: there is no way there. */
static int source_of(int family, int broadcast, const void *to, socklen_t len, void *ret)
{
	_cleanup_fd_ int sock = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return errno == EAFNOSUPPORT ? -ENOENT : -errno;
	if (setsockopt(sock, SOL_SOCKET, SO_BROADCAST, &broadcast, sizeof(broadcast)) < 0)
		return -errno;
	if (connect(sock, to, len) < 0)
		return leads_nowhere(errno) ? -ENOENT : -errno;
	return getsockname(sock, ret, &len) < 0 ? -errno : 0;
}

/* A broadcast address, to which there is a way for who asks for it alone, is the kernel's. */
static int has_ipv4(const struct ipaddr *a)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(ANY_PORT) };
	struct sockaddr_in from = { 0 };
	int r;

	memcpy(&to.sin_addr, ipaddr_4(a), sizeof(to.sin_addr));
	r = source_of(AF_INET, 0, &to, sizeof(to), &from);
	if (r == -ENOENT && source_of(AF_INET, 1, &to, sizeof(to), &from) == 0)
		return 1;
	return r < 0 ? r : from.sin_addr.s_addr == to.sin_addr.s_addr;
}

static int has_ipv6(const struct ipaddr *a, uint32_t ifindex)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(ANY_PORT) };
	struct sockaddr_in6 from = { 0 };
	int r;

	memcpy(&to.sin6_addr, a->b, sizeof(to.sin6_addr));
	if (IN6_IS_ADDR_LINKLOCAL(&to.sin6_addr))
		to.sin6_scope_id = ifindex;
	r = source_of(AF_INET6, 0, &to, sizeof(to), &from);
	return r < 0 ? r : IN6_ARE_ADDR_EQUAL(&from.sin6_addr, &to.sin6_addr);
}

int localaddr_has(const struct ipaddr *a, uint32_t ifindex)
{
	int r = ipaddr_is4(a) ? has_ipv4(a) : has_ipv6(a, ifindex);

	return r == -ENOENT ? 0 : r;
}
