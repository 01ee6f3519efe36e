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

static int read_request(struct loader_request *ret)
{
	struct pollfd p = { .fd = REQUEST_FD, .events = POLLIN };
	unsigned nfds;
	ssize_t n;

	do {
		n = poll(&p, 1, -1);
	} while (n < 0 && errno == EINTR);
	n = fd_recv(REQUEST_FD, ret, sizeof(*ret), NULL, 0, &nfds);
	if (n < 0)
		return (int)n;
	return loader_check_request(ret, (size_t)n);
}

static int obey(const struct loader_request *q, struct loader_answer *a, struct attached *attached)
{
	struct err e = { 0 };
	struct probe probe;
	int r = 0;

	switch (q->op) {
	case LOADER_ATTACH:
		r = attach(q, a, attached, &e);
		break;
	case LOADER_DETACH:
		r = detach(q, &e);
		break;
	default:
		probe_all(&probe);
		a->value = probe.can;
		probe_sentence(&probe, e.text, sizeof(e.text));
	}
	a->error = -r;
	/* What worked at the second try has nothing to say about the first. */
	if (r < 0 || q->op == LOADER_PROBE)
		str_copy(a->why, sizeof(a->why), e.text);
	return r;
}

static int serve(void)
{
	struct loader_answer a = { .magic = LOADER_MAGIC, .version = LOADER_VERSION };
	struct attached attached = { 0 };
	struct loader_request q;
	ssize_t sent;
	int r;

	if (read_request(&q) < 0)
		return 1;
	r = obey(&q, &a, &attached);
	sent = fd_send(REQUEST_FD, &a, sizeof(a), attached.fds, attached.nfds);
	attached_close(&attached);
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
