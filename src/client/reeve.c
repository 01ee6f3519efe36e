/* SPDX-License-Identifier: BSD-3-Clause */
#include <reeve/reeve.h>

#include <errno.h>
#include <inttypes.h>

#include "client/client.h"
#include "client/member.h"

enum { TIMEOUT_MS = 10000 };

static json_t *hello_json(void)
{
	return json_pack("{s:i, s:i}", "lowest", CLIENT_API_LOWEST, "highest", CLIENT_API_HIGHEST);
}

static int check_hello(struct reeve *r, const json_t *reply)
{
	struct members m = { .object = reply, .e = &r->err };
	uint64_t api = member_u64(&m, "api", INT64_MAX);

	member_text(&m, "version");
	member_u64(&m, "pid", UINT32_MAX);
	if (m.bad)
		return -EPROTO;
	if (api < CLIENT_API_LOWEST || api > CLIENT_API_HIGHEST)
		return fail(&r->err, EPROTONOSUPPORT,
			    "the daemon chose version %" PRIu64
			    " of the interface, which this library does not understand",
			    api);
	return 0;
}

static int hello(struct reeve *r)
{
	_cleanup_json_ json_t *reply = NULL;
	int n;

	n = call(r, "io.reeve.Hello", hello_json(), &reply);
	/* Whoever does not know the first method of the interface does not speak it. */
	if (n == -EOPNOTSUPP)
		return -EPROTONOSUPPORT;
	return n < 0 ? n : check_hello(r, reply);
}

int reeve_open(const char *path, struct reeve **ret)
{
	struct reeve *r = calloc(1, sizeof(*r));
	int n;

	if (!r)
		return -ENOMEM;
	r->timeout_ms = TIMEOUT_MS;
	n = conn_open(&r->conn, path ?: REEVE_SOCKET, deadline_in(TIMEOUT_MS), &r->err);
	if (n == 0)
		n = hello(r);
	if (n == -ENOMEM) {
		reeve_close(r);
		return n;
	}
	r->spent = n < 0;
	*ret = r;
	return n;
}

void reeve_close(struct reeve *r)
{
	if (!r)
		return;
	conn_close(&r->conn);
	free(r);
}

const char *reeve_error(const struct reeve *r)
{
	return r->err.text;
}

const char *reeve_error_name(const struct reeve *r)
{
	return r->error_name;
}

int reeve_fd(const struct reeve *r)
{
	return r->conn.fd;
}

void reeve_set_timeout(struct reeve *r, int ms)
{
	r->timeout_ms = ms;
}
