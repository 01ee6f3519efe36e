/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Landlock has no library in Debian 12 and its header there is older than the
 * kernels this runs on, so the later bits are spelt out.
 */
#include "mech/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#define FS_ABI1	    ((UINT64_C(1) << 13) - 1)
#define FS_REFER    (UINT64_C(1) << 13) /* ABI 2 */
#define FS_TRUNCATE (UINT64_C(1) << 14) /* ABI 3 */
#define FS_IOCTL    (UINT64_C(1) << 15) /* ABI 5 */
#define NET_TCP	    UINT64_C(3)		/* ABI 4: bind, connect */
#define SCOPE_ALL   UINT64_C(3)		/* ABI 6: abstract sockets, signals */

struct ruleset {
	uint64_t fs, net, scope;
};

static struct ruleset ruleset_for(long abi)
{
	struct ruleset r = { .fs = FS_ABI1 };

	if (abi >= 2)
		r.fs |= FS_REFER;
	if (abi >= 3)
		r.fs |= FS_TRUNCATE;
	if (abi >= 4)
		r.net = NET_TCP;
	if (abi >= 5)
		r.fs |= FS_IOCTL;
	if (abi >= 6)
		r.scope = SCOPE_ALL;
	return r;
}

/* The kernel refuses bits it does not know, and bytes beyond its own struct. */
static size_t ruleset_size(long abi)
{
	return abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
}

int landlock_begin(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset attr = ruleset_for(abi);
	int fd;

	if (abi < 0)
		return -EOPNOTSUPP;
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, ruleset_size(abi), 0);
	return fd < 0 ? -errno : fd;
}

int landlock_allow(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = access };
	_cleanup_fd_ int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	rule.parent_fd = fd;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return -errno;
	return 0;
}

int landlock_enter(int ruleset)
{
	return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}
