/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/refusal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "client/member.h"

#define SERVICE "org.varlink.service."

static void say_versions(struct members *m, struct err *e)
{
	uint64_t lowest = member_u64(m, "lowest", INT64_MAX);
	uint64_t highest = member_u64(m, "highest", INT64_MAX);

	fail(e, EPROTONOSUPPORT,
	     "the daemon speaks version %" PRIu64 " to %" PRIu64
	     " of the interface, none of which this library understands",
	     lowest, highest);
}

static void say_no_lease(struct members *m, struct err *e)
{
	fail(e, ENOENT, "there is no lease %" PRIu64, member_u64(m, "lease", INT64_MAX));
}

static void say_not_yours(struct members *m, struct err *e)
{
	fail(e, EPERM, "lease %" PRIu64 " is held by another", member_u64(m, "lease", INT64_MAX));
}

static void say_no_event(struct members *m, struct err *e)
{
	(void)m;
	fail(e, ENODATA, "there is no such event yet");
}

static void say_no_method(struct members *m, struct err *e)
{
	fail(e, EOPNOTSUPP, "the daemon knows no method '%s'", member_opt_text(m, "method"));
}

static void say_no_interface(struct members *m, struct err *e)
{
	fail(e, EOPNOTSUPP, "the daemon knows no interface '%s'", member_opt_text(m, "interface"));
}

static void say_bad_parameter(struct members *m, struct err *e)
{
	fail(e, EINVAL, "the daemon does not accept the value of '%s'",
	     member_opt_text(m, "parameter"));
}

static void say_more(struct members *m, struct err *e)
{
	(void)m;
	fail(e, EINVAL, "the method only works as a stream");
}

/* say: the sentence for an error that has no `why` of its own. */
static const struct refused {
	const char *name;
	const char *word; /* as in events; NULL: none */
	int code;
	void (*say)(struct members *m, struct err *e);
} table[] = {
	{ "io.reeve.VersionMismatch", NULL, EPROTONOSUPPORT, say_versions },
	{ "io.reeve.Denied", "denied", EACCES, NULL },
	{ "io.reeve.QuotaExceeded", "quota", EDQUOT, NULL },
	{ "io.reeve.Taken", "taken", EBUSY, NULL },
	{ "io.reeve.NotEnough", "not-enough", ENOSPC, NULL },
	{ "io.reeve.NoSuchResource", "no-such", ENOENT, NULL },
	{ "io.reeve.NoSuchLease", NULL, ENOENT, say_no_lease },
	{ "io.reeve.NotYours", "not-yours", EPERM, say_not_yours },
	{ "io.reeve.Unsupported", "unsupported", EOPNOTSUPP, NULL },
	{ "io.reeve.NoEvent", NULL, ENODATA, say_no_event },
	{ "io.reeve.Busy", NULL, EAGAIN, NULL },
	{ SERVICE "InvalidParameter", "bad-request", EINVAL, say_bad_parameter },
	{ SERVICE "MethodNotFound", NULL, EOPNOTSUPP, say_no_method },
	{ SERVICE "MethodNotImplemented", NULL, EOPNOTSUPP, say_no_method },
	{ SERVICE "InterfaceNotFound", NULL, EOPNOTSUPP, say_no_interface },
	{ SERVICE "ExpectedMore", NULL, EINVAL, say_more },
	{ SERVICE "PermissionDenied", NULL, EACCES, NULL },
};

static const struct refused *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct refused *t = &table[i];

		if (!strcmp(name, t->name) || !strcmp(name, strrchr(t->name, '.') + 1) ||
		    (t->word && !strcmp(name, t->word)))
			return t;
	}
	return NULL;
}

int refusal_code(const char *name)
{
	const struct refused *t = find(name);

	return t ? -t->code : -EPROTO;
}

const char *refusal_name(const char *name)
{
	const struct refused *t = find(name);

	return t ? t->name : NULL;
}

/* A sentence may hold what a client wrote: nothing in it may reach a terminal as a command. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

int refusal(const char *name, const json_t *parameters, struct err *e)
{
	const char *why = json_string_value(json_object_get(parameters, "why"));
	struct members m = { .object = parameters };
	const struct refused *t = find(name);
	int code = t ? t->code : EPROTO;

	if (why)
		fail(e, code, "%s", why);
	else if (t && t->say)
		t->say(&m, e);
	if (m.bad || (!why && (!t || !t->say)))
		fail(e, code, "the daemon refused with %s", name);
	make_printable(e->text);
	return -code;
}
