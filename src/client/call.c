/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "client/client.h"
#include "client/refusal.h"

static void reply_done(struct varlink_reply *reply)
{
	varlink_reply_done(reply);
}

int call_misread(struct reeve *r)
{
	r->spent = true;
	return -EPROTO;
}

static void forget_failure(struct reeve *r)
{
	r->error_name[0] = '\0';
	r->err = (struct err){ 0 };
}

/* The sentence of a spent connection stays: it says what went wrong first. */
int call_check(struct reeve *r)
{
	if (r->spent)
		return -ENOTCONN;
	forget_failure(r);
	if (r->stream)
		return fail(&r->err, EINVAL, "a stream is open on this connection");
	return 0;
}

static int check_method(struct reeve *r, const char *method, struct varlink_call *c)
{
	const char *prefix = strchr(method, '.') ? "" : "io.reeve.";
	size_t room = sizeof(c->method);

	if ((size_t)snprintf(c->method, room, "%s%s", prefix, method) >= room)
		return fail(&r->err, EINVAL, "the name of the method is too long");
	return 0;
}

static int send_call(struct reeve *r, const struct varlink_call *c)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int ret;

	if (!c->parameters)
		return fail(&r->err, ENOMEM, "out of memory");
	text = varlink_call_encode(c, &len);
	if (!text)
		return fail(&r->err, ENOMEM, "out of memory");
	if (len > VARLINK_CALL_MAX)
		return fail(&r->err, EMSGSIZE, "a request of %zu bytes is too long", len);
	ret = conn_send(&r->conn, text, len, deadline_in(r->timeout_ms), &r->err);
	if (ret < 0)
		r->spent = true;
	return ret;
}

int call_start(struct reeve *r, const char *method, json_t *parameters, bool more)
{
	struct varlink_call c = { .parameters = parameters, .more = more };
	int ret;

	ret = call_check(r);
	if (ret == 0)
		ret = check_method(r, method, &c);
	if (ret == 0)
		ret = send_call(r, &c);
	if (ret == 0)
		r->stream = more;
	varlink_call_done(&c);
	return ret;
}

static int refused(struct reeve *r, const struct varlink_reply *reply)
{
	r->stream = false;
	str_copy(r->error_name, sizeof(r->error_name), reply->error);
	return refusal(reply->error, reply->parameters, &r->err);
}

/* A reply that goes on although nobody asked for more would answer the next call. */
static int accept_reply(struct reeve *r, struct varlink_reply *reply, json_t **ret)
{
	if (reply->continues && !r->stream) {
		fail(&r->err, EPROTO, "the daemon sent more replies than were asked for");
		return call_misread(r);
	}
	if (reply->error[0])
		return refused(r, reply);
	r->stream = reply->continues;
	*ret = take_ptr(&reply->parameters);
	return 0;
}

int call_reply(struct reeve *r, uint64_t deadline, json_t **ret)
{
	_cleanup_(reply_done) struct varlink_reply reply = { 0 };
	const char *text;
	size_t len;
	int n;

	n = conn_recv(&r->conn, deadline, &text, &len, &r->err);
	if (n < 0) {
		r->spent = n != -ETIMEDOUT || !r->stream;
		return n;
	}
	n = varlink_reply_decode(text, len, &reply, &r->err);
	if (n < 0)
		return call_misread(r);
	return accept_reply(r, &reply, ret);
}

int call(struct reeve *r, const char *method, json_t *parameters, json_t **ret)
{
	int n = call_start(r, method, parameters, false);

	return n < 0 ? n : call_reply(r, deadline_in(r->timeout_ms), ret);
}

static int json_text(struct reeve *r, json_t *value, char **ret)
{
	char *text = json_dumps(value, JSON_COMPACT);

	if (!text)
		return fail(&r->err, ENOMEM, "out of memory");
	*ret = text;
	return 0;
}

int reeve_call(struct reeve *r, const char *method, const char *parameters, bool more, char **ret)
{
	_cleanup_json_ json_t *reply = NULL;
	json_error_t where;
	json_t *object;
	int n;

	object = parameters ? json_loads(parameters, JSON_REJECT_DUPLICATES, &where)
			    : json_object();
	if (parameters && !json_is_object(object)) {
		json_decref(object);
		return fail(&r->err, EINVAL, "the parameters are not a JSON object");
	}
	n = call_start(r, method, object, more);
	if (n < 0)
		return n;
	n = call_reply(r, deadline_in(r->timeout_ms), &reply);
	return n < 0 ? n : json_text(r, reply, ret);
}

int call_next(struct reeve *r, int timeout_ms, json_t **ret)
{
	int n;

	if (r->spent)
		return -ENOTCONN;
	forget_failure(r);
	if (!r->stream)
		return fail(&r->err, ENODATA, "the stream has ended");
	n = call_reply(r, deadline_in(timeout_ms), ret);
	return n == -ETIMEDOUT ? -EAGAIN : n;
}

int reeve_call_next(struct reeve *r, int timeout_ms, char **ret)
{
	_cleanup_json_ json_t *reply = NULL;
	int n;

	n = call_next(r, timeout_ms, &reply);
	return n < 0 ? n : json_text(r, reply, ret);
}
