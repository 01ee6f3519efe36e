/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/varlink.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

/*
 * Jansson without any of its relaxations: the text is one object and nothing
 * else, integers fit in 64 bits, strings are UTF-8 and have no NUL.
 */
static json_t *load_object(const char *text, size_t len, struct err *e)
{
	json_auto_t *message = NULL;
	json_error_t why;

	message = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (!message) {
		fail(e, EBADMSG, "not JSON: %s", why.text);
		return NULL;
	}
	if (!json_is_object(message)) {
		fail(e, EBADMSG, "not a JSON object");
		return NULL;
	}
	return take_ptr(&message);
}

static char *dump(json_t *message, size_t *ret_len)
{
	json_auto_t *owned = message;
	char *text = owned ? json_dumps(owned, JSON_COMPACT) : NULL;

	if (text)
		*ret_len = strlen(text) + 1;
	return text;
}

static json_t *object_or_empty(json_t *parameters)
{
	return parameters ? json_incref(parameters) : json_object();
}

/* For a flag that is left out when it is not set. */
static json_t *true_or_absent(bool flag)
{
	return flag ? json_true() : NULL;
}

/* The empty name is refused, since "" says that there is none. */
static bool get_name(json_t *value, char name[static VARLINK_METHOD_MAX])
{
	return json_string_length(value) > 0 &&
	       str_copy(name, VARLINK_METHOD_MAX, json_string_value(value));
}

static bool get_bool(json_t *value, bool *ret)
{
	if (!json_is_boolean(value))
		return false;
	*ret = json_is_true(value);
	return true;
}

/* Some libraries write "no parameters" as null. */
static bool get_object(json_t *value, json_t **ret)
{
	if (json_is_null(value))
		return true;
	if (!json_is_object(value))
		return false;
	*ret = json_incref(value);
	return true;
}

void varlink_call_done(struct varlink_call *c)
{
	json_decref(c->parameters);
	c->parameters = NULL;
}

static bool call_member(struct varlink_call *c, const char *key, json_t *value)
{
	bool upgrade = true;

	if (!strcmp(key, "method"))
		return get_name(value, c->method);
	if (!strcmp(key, "parameters"))
		return get_object(value, &c->parameters);
	if (!strcmp(key, "more"))
		return get_bool(value, &c->more);
	if (!strcmp(key, "oneway"))
		return get_bool(value, &c->oneway);
	if (!strcmp(key, "upgrade")) /* no method of ours leaves Varlink */
		return get_bool(value, &upgrade) && !upgrade;
	return false;
}

int varlink_call_decode(const char *text, size_t len, struct varlink_call *ret, struct err *e)
{
	_cleanup_(varlink_call_done) struct varlink_call c = { 0 };
	json_auto_t *message = NULL;
	const char *key;
	json_t *value;

	if (len >= VARLINK_CALL_MAX)
		return fail(e, EBADMSG, "more than %d bytes", VARLINK_CALL_MAX);
	message = load_object(text, len, e);
	if (!message)
		return -EBADMSG;
	json_object_foreach(message, key, value)
		if (!call_member(&c, key, value))
			return fail(e, EBADMSG, "not a call: member \"%s\"", key);
	if (!c.method[0])
		return fail(e, EBADMSG, "not a call: no method");
	if (!c.parameters)
		c.parameters = json_object();
	if (!c.parameters)
		return fail(e, EBADMSG, "out of memory");
	*ret = c;
	c.parameters = NULL;
	return 0;
}

char *varlink_call_encode(const struct varlink_call *c, size_t *ret_len)
{
	return dump(json_pack("{s:s, s:o, s:o*, s:o*}", "method", c->method, "parameters",
			      object_or_empty(c->parameters), "more", true_or_absent(c->more),
			      "oneway", true_or_absent(c->oneway)),
		    ret_len);
}

char *varlink_reply_encode(json_t *parameters, bool continues, size_t *ret_len)
{
	return dump(json_pack("{s:o, s:o*}", "parameters", object_or_empty(parameters), "continues",
			      true_or_absent(continues)),
		    ret_len);
}

char *varlink_error_encode(const char *error, json_t *parameters, size_t *ret_len)
{
	return dump(
		json_pack("{s:s, s:o}", "error", error, "parameters", object_or_empty(parameters)),
		ret_len);
}

void varlink_reply_done(struct varlink_reply *r)
{
	json_decref(r->parameters);
	r->parameters = NULL;
}

/* Members that a newer daemon may have added are passed over. */
static bool reply_member(struct varlink_reply *r, const char *key, json_t *value)
{
	if (!strcmp(key, "error"))
		return get_name(value, r->error);
	if (!strcmp(key, "parameters"))
		return get_object(value, &r->parameters);
	if (!strcmp(key, "continues"))
		return get_bool(value, &r->continues);
	return true;
}

int varlink_reply_decode(const char *text, size_t len, struct varlink_reply *ret, struct err *e)
{
	_cleanup_(varlink_reply_done) struct varlink_reply r = { 0 };
	json_auto_t *message = load_object(text, len, e);
	const char *key;
	json_t *value;

	if (!message)
		return -EBADMSG;
	json_object_foreach(message, key, value)
		if (!reply_member(&r, key, value))
			return fail(e, EBADMSG, "not a reply: member \"%s\"", key);
	if (r.error[0] && r.continues)
		return fail(e, EBADMSG, "not a reply: an error that continues");
	if (!r.parameters)
		r.parameters = json_object();
	if (!r.parameters)
		return fail(e, EBADMSG, "out of memory");
	*ret = r;
	r.parameters = NULL;
	return 0;
}
