/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/event.h"

#include <errno.h>

static const char *const type_names[] = {
	[EVENT_START] = "start",
	[EVENT_RELOAD] = "reload",
	[EVENT_INSTANCE_START] = "instance-start",
	[EVENT_INSTANCE_END] = "instance-end",
	[EVENT_ORPHAN] = "orphan",
	[EVENT_GRANT] = "grant",
	[EVENT_REFUSE] = "refuse",
	[EVENT_RELEASE] = "release",
	[EVENT_EXPIRE] = "expire",
	[EVENT_ENFORCE] = "enforce",
};
_Static_assert(sizeof(type_names) / sizeof(type_names[0]) == EVENT_TYPE_MAX, "a name for each");

const char *event_type_name(uint32_t type)
{
	return type < EVENT_TYPE_MAX ? type_names[type] : NULL;
}

const char *event_error_name(int error)
{
	switch (error) {
	case 0:
		return NULL;
	case EDQUOT:
		return "quota";
	case EBUSY:
		return "taken";
	case ENOSPC:
		return "not-enough";
	case ENOENT:
		return "no-such";
	case EPERM:
		return "not-yours";
	case EACCES:
		return "denied";
	case ENOTCONN:
		return "unregistered";
	case EOPNOTSUPP:
		return "unsupported";
	case EINVAL:
	case EBADMSG:
		return "bad-request";
	default:
		return "failed";
	}
}
