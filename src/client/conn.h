/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stream socket that carries NUL-terminated texts, and with them descriptors.
 * Owns the socket, and the bytes and descriptors that were received but not yet
 * taken. Every wait has a deadline.
 */
#ifndef REEVE_CLIENT_CONN_H
#define REEVE_CLIENT_CONN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	CONN_TEXT_MAX = 16 << 20,
	CONN_FDS_MAX = 2, /* more that come with one text are closed */
};

#define DEADLINE_NEVER UINT64_MAX

/* CLOCK_MONOTONIC, ns, `ms` from now; a negative `ms` is DEADLINE_NEVER. */
uint64_t deadline_in(int ms);

struct conn {
	int fd;
	char *buf;
	size_t size;
	size_t start, end; /* what is held: buf[start..end) */
	size_t scanned;	   /* buf[start..scanned) holds no NUL */
	int fds[CONN_FDS_MAX];
	unsigned nfds;
};

/* Afterwards conn_close() may be called, whatever this returned. */
int conn_open(struct conn *c, const char *path, uint64_t deadline, struct err *e);
void conn_close(struct conn *c);

/* All of it or -EPIPE, -ETIMEDOUT, or another errno. */
int conn_send(struct conn *c, const char *bytes, size_t len, uint64_t deadline, struct err *e);

/*
 * The next text, its NUL in place but not counted; valid until the next call.
 * -EPIPE the other side is gone; -ETIMEDOUT, after which one may go on waiting;
 * -EPROTO above CONN_TEXT_MAX.
 */
int conn_recv(struct conn *c, uint64_t deadline, const char **ret, size_t *ret_len, struct err *e);

/*
 * The descriptors that came with the last text, which are the caller's then.
 * -EPROTO: they are not `n`, and are closed. Those that nobody takes are closed by
 * the next conn_recv().
 */
int conn_take_fds(struct conn *c, int *ret, unsigned n, struct err *e);

#endif
