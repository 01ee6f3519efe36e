/* SPDX-License-Identifier: BSD-3-Clause */
#include "reeve_bpf.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/str.h"

enum { REQUEST_FD = 3 };

static bool started_by_reeved(void)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(REQUEST_FD, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_SEQPACKET;
}

static int read_request(struct loader_request *ret, int *fds)
{
	struct pollfd p = { .fd = REQUEST_FD, .events = POLLIN };
	unsigned nfds;
	ssize_t n;

	do {
		n = poll(&p, 1, -1);
	} while (n < 0 && errno == EINTR);
	n = fd_recv(REQUEST_FD, ret, sizeof(*ret), fds, LOADER_REQUEST_FDS_MAX, &nfds);
	if (n < 0)
		return (int)n;
	return loader_check_request(ret, (size_t)n, nfds);
}

/* `fds`: those that came with the request. */
static int obey(const struct loader_request *q, const int *fds, struct loader_answer *a,
		struct attached *made, struct err *e)
{
	struct probe probe;
	bool bound = false;
	int r = 0;

	switch (q->op) {
	case LOADER_ATTACH:
		return attach(q, a, made, e);
	case LOADER_DETACH:
		return detach(q, e);
	case LOADER_OWNER:
		return owner_make(q, fds, made, e);
	case LOADER_XSK:
		r = socket_make(q, made, &bound, e);
		a->value = bound;
		return r;
	default:
		probe_all(&probe);
		a->value = probe.can;
		probe_sentence(&probe, e->text, sizeof(e->text));
		return 0;
	}
}

static void wait_for_hang_up(void)
{
	struct pollfd p = { .fd = REQUEST_FD };

	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
}

static int serve(void)
{
	struct loader_answer a = { .magic = LOADER_MAGIC, .version = LOADER_VERSION };
	struct attached made = { 0 };
	int fds[LOADER_REQUEST_FDS_MAX];
	struct loader_request q;
	struct err e = { 0 };
	ssize_t sent;
	int r;

	if (read_request(&q, fds) < 0)
		return 1;
	r = obey(&q, fds, &a, &made, &e);
	a.op = q.op;
	a.error = -r;
	a.nfds = made.nfds;
	/* What worked at the second try has nothing to say about the first. */
	if (r < 0 || q.op == LOADER_PROBE)
		str_copy(a.why, sizeof(a.why), e.text);
	sent = fd_send(REQUEST_FD, &a, sizeof(a), made.fds, made.nfds);
	if (sent >= 0 && q.op == LOADER_XSK)
		wait_for_hang_up();
	attached_close(&made);
	if (sent >= 0)
		return 0;
	/* Nobody knows of it, and nobody would undo it. */
	q.channels = a.channels_were;
	if (q.op == LOADER_ATTACH && r == 0)
		detach(&q, NULL);
	return 1;
}

int main(int argc, char **argv)
{
	struct probe probe;

	clearenv();
	umask(077);
	chatter_catch();
	if (argc == 2 && strcmp(argv[1], "--probe") == 0) {
		probe_all(&probe);
		probe_print(&probe);
		return 0;
	}
	if (argc == 1 && started_by_reeved())
		return serve();
	fputs("reeve-bpf: reeved starts this program; by hand it only knows --probe\n", stderr);
	return 1;
}
