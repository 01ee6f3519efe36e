/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the core sends. No message of it comes with a descriptor, and none is
 * received here: the last closer of a foreign socket waits for as long as its owner
 * likes. From Linux 6.16 on the core is forbidden to pass any; before, each message
 * is looked at first, and one that has some is left where it is, for discard().
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "reeved.h"

/* Also when there is none yet: the one that is received is one that was looked at. */
static int look_ahead(int sock, struct err *e)
{
	struct msghdr msg = { 0 };

	if (recvmsg(sock, &msg, MSG_PEEK | MSG_DONTWAIT) < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return (msg.msg_flags & MSG_CTRUNC) ? fail(e, EBADMSG, "it sent a descriptor") : 0;
}

static int no_message(const union pp_msg *m, size_t len, struct err *e)
{
	if (len < sizeof(m->head))
		return fail(e, EBADMSG, "it sent %zu bytes, which are no message", len);
	return fail(e, EBADMSG,
		    "it sent what is no message of the protocol: type %" PRIu32 " with %zu bytes",
		    m->head.type, len);
}

static int receive(int sock, union pp_msg *ret, size_t *ret_len, struct err *e)
{
	unsigned none;
	ssize_t n = fd_recv(sock, ret, sizeof(*ret), NULL, 0, &none);

	if (n == -EMSGSIZE)
		return fail(e, EBADMSG, "it sent more bytes than any message has");
	if (n == 0 || n == -ECONNRESET)
		return -EPIPE;
	*ret_len = n < 0 ? 0 : (size_t)n;
	return n < 0 ? (int)n : 0;
}

int inbox_take(const struct reeved *d, union pp_msg *ret, struct err *e)
{
	union pp_msg m;
	size_t len = 0;
	int r = d->clients.foreign_fds ? look_ahead(d->core.sock, e) : 0;

	if (r == 0)
		r = receive(d->core.sock, &m, &len, e);
	if (r < 0)
		return r;
	if (pp_check(&m, len, 0, PP_CORE) < 0)
		return no_message(&m, len, e);
	memcpy(ret, &m, len);
	return 0;
}
