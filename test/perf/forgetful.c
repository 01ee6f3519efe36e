/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A core that nobody could take over from: what outlives the core costs nothing here.
 * Linked in place of the functions that write to the journal (--wrap), to be
 * measured beside the real one. What else is in a record is what any server has to
 * remember of a connection.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "reeve-core/core.h"

void __wrap_undo_keep(struct undo *u, const void *at, size_t len);
void __wrap_undo_settle(struct undo *u);
void __wrap_journal_at_work(struct conn *c);
ssize_t __wrap_journal_recv(struct conn *c, void *at, size_t size);
ssize_t __wrap_journal_send(struct conn *c, const void *at, size_t size, const int *fds,
			    unsigned nfds);

void __wrap_undo_keep(struct undo *u, const void *at, size_t len)
{
	(void)u;
	(void)at;
	(void)len;
}

void __wrap_undo_settle(struct undo *u)
{
	(void)u;
}

void __wrap_journal_at_work(struct conn *c)
{
	(void)c;
}

ssize_t __wrap_journal_recv(struct conn *c, void *at, size_t size)
{
	ssize_t n = recv(c->watch.fd, at, size, MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	c->kept->in_len += (uint32_t)n;
	return n;
}

ssize_t __wrap_journal_send(struct conn *c, const void *at, size_t size, const int *fds,
			    unsigned nfds)
{
	struct iovec iov = { .iov_base = (void *)at, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct fd_rights rights;
	ssize_t n;

	if (!nfds) {
		n = send(c->watch.fd, at, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else {
		fd_put_rights(&rights, &msg, fds, nfds);
		n = sendmsg(c->watch.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	if (n < 0)
		return -errno;
	c->kept->out_at += (uint32_t)n;
	if (n && c->kept->out_fds) {
		c->kept->out_fds = 0;
		kept_take_request(c->core, c->kept);
	}
	return n;
}
