/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/queue.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "client/member.h"

enum { FRAMES_MAX = 1 << 20 };
/* The kernel frees a queue only some time after its last socket was closed. */
enum { FREED_WITHIN_MS = 200, FREED_STEP_MS = 5 };

/* --- queues -------------------------------------------------------------------------- */

/* "queue 3 of if 2" */
static int read_lease(const json_t *object, struct err *e, struct reeve_queue *ret)
{
	struct members m = { .object = object, .e = e };
	struct reeve_queue q = { .lease = member_u64(&m, "lease", INT64_MAX) };
	const char *resource = member_text(&m, "resource");
	char number[8] = "";
	uint64_t queue = 0;

	if (m.bad)
		return -EPROTO;
	if (sscanf(resource, "queue %7[0-9] ", number) != 1 ||
	    str_u64(number, UINT16_MAX, &queue) < 0)
		return fail(e, EPROTO, "the daemon leased something that is not a queue");
	q.queue = (unsigned)queue;
	*ret = q;
	return 0;
}

static int read_leases(const json_t *leases, struct err *e, struct reeve_queue *ret)
{
	const json_t *one;
	size_t i;

	json_array_foreach(leases, i, one) {
		int n = read_lease(one, e, &ret[i]);

		if (n < 0)
			return n;
	}
	return 0;
}

int queues_lease(struct reeve *r, json_t *parameters, struct reeve_queue *ret, size_t count)
{
	_cleanup_json_ json_t *reply = NULL;
	struct members m = { .e = &r->err };
	const json_t *leases;
	int n = call(r, "AcquireQueues", parameters, &reply);

	if (n < 0)
		return n;
	m.object = reply;
	leases = member_array(&m, "leases");
	if (!m.bad && json_array_size(leases) != count)
		fail(&r->err, EPROTO, "the daemon leased another number of queues than was asked");
	else if (!m.bad && read_leases(leases, &r->err, ret) == 0)
		return 0;
	return call_misread(r);
}

int reeve_acquire_queues(struct reeve *r, const char *nic, size_t count, const char *name,
			 struct reeve_queue *ret)
{
	int n = call_check(r);

	if (n == 0 && !nic)
		n = fail(&r->err, EINVAL, "no network interface is named");
	if (n == 0 && (count == 0 || count > UINT16_MAX))
		n = fail(&r->err, EINVAL, "%zu queues can't be leased", count);
	if (n < 0)
		return n;
	return queues_lease(
		r,
		json_pack("{s:s, s:I, s:s*}", "nic", nic, "count", (json_int_t)count, "name", name),
		ret, count);
}

/* --- addresses ----------------------------------------------------------------------- */

int reeve_acquire_address(struct reeve *r, const char *nic, const char *address, const char *name,
			  uint64_t *ret_lease)
{
	_cleanup_json_ json_t *reply = NULL;
	struct members outer = { .e = &r->err }, m = { .e = &r->err };
	uint64_t lease;
	int n = call_check(r);

	if (n == 0 && (!nic || !address))
		n = fail(&r->err, EINVAL, "no network interface or no address is named");
	if (n == 0)
		n = call(
			r, "AcquireAddress",
			json_pack("{s:s, s:s, s:s*}", "nic", nic, "address", address, "name", name),
			&reply);
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

/* --- sockets ------------------------------------------------------------------------- */

static bool power_of_two(uint32_t n)
{
	return n && !(n & (n - 1));
}

static int read_socket(const json_t *reply, struct err *e, struct reeve_socket *ret)
{
	struct members m = { .object = reply, .e = e };
	struct reeve_socket made = {
		.bound = member_bool(&m, "bound"),
		.ifindex = (unsigned)member_u64(&m, "ifindex", INT32_MAX),
		.queue = (unsigned)member_u64(&m, "queue", UINT16_MAX),
		.frames = (unsigned)member_u64(&m, "frames", FRAMES_MAX),
		.frame_size = (unsigned)member_u64(&m, "frame_size", FRAMES_MAX),
		.ring = (unsigned)member_u64(&m, "ring", FRAMES_MAX),
	};

	if (m.bad)
		return -EPROTO;
	if (made.frames < 4 || !power_of_two(made.frame_size) || !power_of_two(made.ring))
		return fail(e, EPROTO, "the daemon tells of a socket that can't be");
	*ret = made;
	return 0;
}

static json_t *socket_json(uint64_t lease, const struct reeve_socket *w)
{
	const struct {
		const char *name;
		unsigned value;
	} given[] = { { "frames", w->frames },
		      { "frame_size", w->frame_size },
		      { "ring", w->ring } };
	json_t *o = json_pack("{s:I}", "lease", (json_int_t)lease);

	for (size_t i = 0; o && i < ARRAY_SIZE(given); i++)
		if (given[i].value &&
		    json_object_set_new(o, given[i].name, json_integer(given[i].value)) < 0) {
			json_decref(o);
			return NULL;
		}
	return o;
}

static int ask_for_socket(struct reeve *r, uint64_t lease, const struct reeve_socket *w,
			  json_t **ret)
{
	uint64_t until = deadline_in(FREED_WITHIN_MS);
	int n;

	do {
		n = call(r, "OpenSocket", socket_json(lease, w), ret);
		if (n == -EBUSY)
			poll(NULL, 0, FREED_STEP_MS);
	} while (n == -EBUSY && deadline_in(0) < until);
	return n;
}

int reeve_open_socket(struct reeve *r, uint64_t lease, struct reeve_socket *s)
{
	_cleanup_json_ json_t *reply = NULL;
	struct reeve_socket made;
	int fds[2], n = call_check(r);

	if (n == 0 && lease > INT64_MAX)
		n = fail(&r->err, EINVAL, "there is no such lease");
	if (n == 0)
		n = ask_for_socket(r, lease, s, &reply);
	if (n < 0)
		return n;
	if (conn_take_fds(&r->conn, fds, 2, &r->err) < 0)
		return call_misread(r);
	if (read_socket(reply, &r->err, &made) < 0) {
		close(fds[0]);
		close(fds[1]);
		return call_misread(r);
	}
	made.sock = fds[0];
	made.memory = fds[1];
	*s = made;
	return 0;
}
