/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <grp.h>
#include <pwd.h>

#include "reeve-conf/conf_file.h"

/* getpwnam(3) and getgrnam(3) list these for "not found", beside 0. */
static int lookup_error(int error)
{
	switch (error) {
	case 0:
	case ENOENT:
	case ESRCH:
	case EBADF:
	case EPERM:
		return -ENOENT;
	default:
		return -error;
	}
}

static int host_user(const char *name, uint32_t *ret_uid, uint32_t *ret_gid)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	if (!pw)
		return lookup_error(errno);
	*ret_uid = pw->pw_uid;
	*ret_gid = pw->pw_gid;
	return 0;
}

static int host_group(const char *name, uint32_t *ret_gid)
{
	const struct group *gr;

	errno = 0;
	gr = getgrnam(name);
	if (!gr)
		return lookup_error(errno);
	*ret_gid = gr->gr_gid;
	return 0;
}

const struct conf_names conf_names_host = { .user = host_user, .group = host_group };
