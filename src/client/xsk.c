/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/xsk.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/str.h"
#include "client/member.h"
#include "client/queue.h"
#include "client/want.h"

enum { WANT_SIZE_FIRST = sizeof(struct reeve_xsk_want) };

/* --- ports ---------------------------------------------------------------------- */

static int ask_port(struct reeve *r, const char *method, const char *nic, uint16_t port,
		    json_t **ret)
{
	int n = call_check(r);

	if (n < 0)
		return n;
	return call(r, method, json_pack("{s:s, s:i}", "nic", nic, "port", (int)port), ret);
}

int reeve_add_port(struct reeve *r, const char *nic, uint16_t port, uint64_t *ret_lease)
{
	_cleanup_json_ json_t *reply = NULL;
	struct members outer = { .e = &r->err }, m = { .e = &r->err };
	uint64_t lease;
	int n;

	n = ask_port(r, "AddPort", nic, port, &reply);
	if (n < 0)
		return n;
	outer.object = reply;
	m.object = member_object(&outer, "lease");
	m.bad = outer.bad;
	lease = member_u64(&m, "lease", INT64_MAX);
	if (m.bad)
		return call_misread(r);
	if (ret_lease)
		*ret_lease = lease;
	return 0;
}

int reeve_remove_port(struct reeve *r, const char *nic, uint16_t port)
{
	_cleanup_json_ json_t *reply = NULL;

	return ask_port(r, "RemovePort", nic, port, &reply);
}

/* --- the socket ------------------------------------------------------------------ */

static int map_memory(struct reeve_xsk *x, int memory, uint32_t frames, struct err *e)
{
	struct stat st;
	void *map;

	if (fstat(memory, &st) < 0)
		return fail(e, errno, "the frames' memory: %s", strerror(errno));
	if ((uint64_t)st.st_size < (uint64_t)frames * x->frame_size)
		return fail(e, EPROTO, "the frames' memory is too small");
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		   memory, 0);
	if (map == MAP_FAILED)
		return fail(e, errno, "the frames' memory can't be mapped: %s", strerror(errno));
	x->memory = map;
	x->memory_len = (size_t)st.st_size;
	return 0;
}

/* Before Linux 6.4 rings can't be mapped once the socket is bound. */
static int bind_socket(const struct reeve_xsk *x, const struct reeve_socket *made, struct err *e)
{
	struct sockaddr_xdp addr = { .sxdp_family = AF_XDP,
				     .sxdp_flags = XDP_USE_NEED_WAKEUP,
				     .sxdp_ifindex = made->ifindex,
				     .sxdp_queue_id = made->queue };

	if (made->bound || bind(x->sock, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return 0;
	return fail(e, errno, "the socket can't be bound to queue %u: %s", made->queue,
		    strerror(errno));
}

static int set_up(struct reeve_xsk *x, const struct reeve_socket *made, int memory)
{
	struct err *e = &x->daemon->err;
	int n;

	x->frame_size = made->frame_size;
	n = map_memory(x, memory, made->frames, e);
	if (n == 0)
		n = rings_map(x->sock, made->ring, &x->rings, e);
	if (n == 0)
		n = bind_socket(x, made, e);
	if (n == 0 && xsk_frames_init(x, made->frames) < 0)
		n = fail(e, ENOMEM, "out of memory");
	return n;
}

static int open_socket(struct reeve_xsk *x, const struct reeve_xsk_want *w)
{
	struct reeve_socket made = { .frames = w->frames,
				     .frame_size = w->frame_size,
				     .ring = w->ring };
	int n = reeve_open_socket(x->daemon, x->lease, &made);

	if (n < 0)
		return n;
	x->sock = made.sock;
	n = set_up(x, &made, made.memory);
	close(made.memory);
	return n;
}

/* --- all of it -------------------------------------------------------------------- */

static json_t *queues_json(const struct reeve_xsk_want *w)
{
	char queue[16] = "";

	if (!w->has_queue)
		return json_pack("{s:s, s:i, s:s*}", "nic", w->nic, "count", 1, "name", w->name);
	snprintf(queue, sizeof(queue), "%d", w->queue);
	return json_pack("{s:s, s:s, s:s*}", "nic", w->nic, "queues", queue, "name", w->name);
}

static int lease_queue(struct reeve_xsk *x, const struct reeve_xsk_want *w)
{
	struct reeve_queue q;
	int n = queues_lease(x->daemon, queues_json(w), &q, 1);

	if (n < 0)
		return n;
	x->lease = q.lease;
	x->queue = q.queue;
	return 0;
}

static int add_ports(struct reeve_xsk *x, const struct reeve_xsk_want *w)
{
	if (!w->nports)
		return 0;
	x->ports = malloc(w->nports * sizeof(*x->ports));
	if (!x->ports)
		return fail(&x->daemon->err, ENOMEM, "out of memory");
	while (x->nports < w->nports) {
		int n = reeve_add_port(x->daemon, x->nic, w->ports[x->nports], NULL);

		if (n < 0)
			return n;
		x->ports[x->nports] = w->ports[x->nports];
		x->nports++;
	}
	return 0;
}

static int check_want(struct reeve *r, const struct reeve_xsk_want *want,
		      struct reeve_xsk_want *ret)
{
	int n = call_check(r);

	if (n == 0)
		n = want_take(want, WANT_SIZE_FIRST, ret, sizeof(*ret), &r->err);
	if (n == 0 && !ret->nic)
		n = fail(&r->err, EINVAL, "no network interface is named");
	return n;
}

/* What failed first is what the caller is told, not how giving back went. */
static void close_after(struct reeve_xsk *x, struct reeve *r)
{
	struct err err = r->err;
	char name[sizeof(r->error_name)];

	memcpy(name, r->error_name, sizeof(name));
	reeve_xsk_close(x);
	r->err = err;
	memcpy(r->error_name, name, sizeof(name));
}

int reeve_xsk_open(struct reeve *r, const struct reeve_xsk_want *want, struct reeve_xsk **ret)
{
	struct reeve_xsk_want w;
	struct reeve_xsk *x;
	int n = check_want(r, want, &w);

	if (n < 0)
		return n;
	x = calloc(1, sizeof(*x));
	if (!x)
		return fail(&r->err, ENOMEM, "out of memory");
	x->daemon = r;
	x->sock = -1;
	str_copy(x->nic, sizeof(x->nic), w.nic);
	n = lease_queue(x, &w);
	if (n == 0)
		n = add_ports(x, &w);
	if (n == 0)
		n = open_socket(x, &w);
	if (n < 0) {
		close_after(x, r);
		return n;
	}
	*ret = x;
	return 0;
}

void reeve_xsk_close(struct reeve_xsk *x)
{
	if (!x)
		return;
	/* The socket first: a queue that is leased to the next must be free in the kernel. */
	rings_unmap(&x->rings);
	if (x->sock >= 0)
		close(x->sock);
	if (x->memory)
		munmap(x->memory, x->memory_len);
	while (x->nports)
		reeve_remove_port(x->daemon, x->nic, x->ports[--x->nports]);
	if (x->lease)
		reeve_release(x->daemon, x->lease);
	free(x->spare.addresses);
	free(x->to_send.addresses);
	free(x->ports);
	free(x);
}

int reeve_xsk_fd(const struct reeve_xsk *x)
{
	return x->sock;
}

unsigned reeve_xsk_queue(const struct reeve_xsk *x)
{
	return x->queue;
}

uint64_t reeve_xsk_lease(const struct reeve_xsk *x)
{
	return x->lease;
}
