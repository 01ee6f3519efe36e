/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "client/client.h"
#include "client/member.h"
#include "client/refusal.h"
#include "client/want.h"
#include "model/res.h"

/* What the struct was when it was first published; it only grows. */
enum { WANT_SIZE_FIRST = sizeof(struct reeve_want) };

static int take_want(const struct reeve_want *want, struct reeve_want *ret, struct err *e)
{
	int r = want_take(want, WANT_SIZE_FIRST, ret, sizeof(*ret), e);

	if (r == 0 && ret->ttl_ms > INT64_MAX)
		return fail(e, EINVAL, "the time limit is too long");
	return r;
}

static int add_numbers(json_t *o, const struct reeve_want *w)
{
	int bad = 0;

	if (w->count || !w->cpus)
		bad |= json_object_set_new(o, "count", json_integer(w->count));
	if (w->has_node)
		bad |= json_object_set_new(o, "node", json_integer(w->node));
	if (w->whole_core)
		bad |= json_object_set_new(o, "whole_core", json_true());
	if (w->ttl_ms)
		bad |= json_object_set_new(o, "ttl_ms", json_integer((json_int_t)w->ttl_ms));
	return bad;
}

static int want_json(const struct reeve_want *w, json_t **ret, struct err *e)
{
	_cleanup_json_ json_t *o = NULL;
	json_error_t where = { 0 };

	o = json_pack_ex(&where, 0, "{s:s, s:s*, s:s*, s:s*}", "kind", res_kind_name(RES_LCORE),
			 "cpus", w->cpus, "near", w->near, "name", w->name);
	if (!o && json_error_code(&where) == json_error_invalid_utf8)
		return fail(e, EINVAL, "a name or list is not UTF-8 text");
	if (!o || add_numbers(o, w))
		return fail(e, ENOMEM, "out of memory");
	*ret = take_ptr(&o);
	return 0;
}

static int ask(struct reeve *r, const char *method, const struct reeve_want *want, json_t **ret)
{
	struct reeve_want w = { 0 };
	json_t *parameters = NULL;
	int n;

	n = call_check(r);
	if (n == 0)
		n = take_want(want, &w, &r->err);
	if (n == 0)
		n = want_json(&w, &parameters, &r->err);
	return n < 0 ? n : call(r, method, parameters, ret);
}

static int read_lease(const json_t *object, struct err *e, struct reeve_lease *ret)
{
	struct members m = { .object = object, .e = e };
	struct reeve_lease l = { .id = member_u64(&m, "lease", INT64_MAX) };
	const char *kind = member_text(&m, "kind");
	const char *resource = member_text(&m, "resource");
	size_t n = strlen(kind);
	uint64_t cpu;

	if (m.bad)
		return -EPROTO;
	if (strcmp(kind, res_kind_name(RES_LCORE)) != 0 || strncmp(resource, kind, n) != 0 ||
	    resource[n] != ' ' || str_u64(resource + n + 1, UINT32_MAX, &cpu) < 0)
		return fail(e, EPROTO, "the daemon leased something that is not an lcore");
	l.cpu = (unsigned)cpu;
	*ret = l;
	return 0;
}

/* Also what is above `max` is read, so that all of it can be given back. */
static int read_leases(const json_t *array, struct err *e, struct reeve_lease *leases, size_t max)
{
	struct reeve_lease one;
	const json_t *value;
	size_t i;

	json_array_foreach(array, i, value) {
		int n = read_lease(value, e, i < max ? &leases[i] : &one);

		if (n < 0)
			return n;
	}
	return 0;
}

/* A lease that ended by itself meanwhile is no reason to keep the others. */
static int give_back(struct reeve *r, const json_t *array, size_t max)
{
	const json_t *value;
	size_t i;

	json_array_foreach(array, i, value) {
		const json_t *id = json_object_get(value, "lease");
		int n = reeve_release(r, (uint64_t)json_integer_value(id));

		if (r->spent)
			return n;
	}
	return fail(&r->err, E2BIG, "%zu leases were granted, %zu can be stored", i, max);
}

int reeve_acquire(struct reeve *r, const struct reeve_want *want, struct reeve_lease *leases,
		  size_t max, size_t *ret_n)
{
	_cleanup_json_ json_t *reply = NULL;
	struct members m = { .e = &r->err };
	const json_t *array;
	int n;

	n = ask(r, "Acquire", want, &reply);
	if (n < 0)
		return n;
	m.object = reply;
	array = member_array(&m, "leases");
	member_text(&m, "cpus");
	if (m.bad || read_leases(array, &r->err, leases, max) < 0)
		return call_misread(r);
	if (json_array_size(array) > max)
		return give_back(r, array, max);
	*ret_n = json_array_size(array);
	return 0;
}

static void store(char *to, size_t size, const char *text)
{
	if (to && size)
		str_copy(to, size, text);
}

static int explained(struct reeve *r, const json_t *reply, char *cpus, size_t cpus_size, char *why,
		     size_t why_size)
{
	struct members m = { .object = reply, .e = &r->err };
	const char *cpus_text = member_text(&m, "cpus");
	const char *why_text = member_text(&m, "why");
	const char *error = member_opt_text(&m, "error");
	bool granted = member_bool(&m, "granted");

	if (m.bad)
		return call_misread(r);
	store(cpus, cpus_size, cpus_text);
	store(why, why_size, why_text);
	if (granted)
		return 0;
	str_copy(r->error_name, sizeof(r->error_name), refusal_name(error) ?: error);
	return fail(&r->err, -refusal_code(error), "%s", why_text);
}

int reeve_explain(struct reeve *r, const struct reeve_want *want, char *cpus, size_t cpus_size,
		  char *why, size_t why_size)
{
	_cleanup_json_ json_t *reply = NULL;
	int n;

	n = ask(r, "Explain", want, &reply);
	if (n < 0) {
		store(why, why_size, r->err.text);
		return n;
	}
	return explained(r, reply, cpus, cpus_size, why, why_size);
}

int reeve_release(struct reeve *r, uint64_t lease)
{
	_cleanup_json_ json_t *reply = NULL;

	/* The interface counts in signed 64 bits; no lease is above that. */
	if (lease > INT64_MAX)
		lease = 0;
	return call(r, "Release", json_pack("{s:I}", "lease", (json_int_t)lease), &reply);
}
