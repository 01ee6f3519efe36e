/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel says of an interface. */
#include <errno.h>
#include <inttypes.h>
#include <linux/ethtool.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "reeved.h"

int iface_name(uint32_t ifindex, char ret[static NIC_NAME_MAX], struct err *e)
{
	char name[IF_NAMESIZE];

	if (!if_indextoname(ifindex, name))
		return fail(e, errno == ENXIO ? ENODEV : errno, "there is no interface %" PRIu32,
			    ifindex);
	str_copy(ret, NIC_NAME_MAX, name);
	return 0;
}

int iface_check(const char *name, struct err *e)
{
	_cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq q = { 0 };

	str_copy(q.ifr_name, sizeof(q.ifr_name), name);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &q) < 0)
		return fail(e, errno, "can't look at %s: %m", name);
	if (q.ifr_flags & IFF_LOOPBACK)
		return fail(e, EINVAL, "it is the loopback interface");
	return 0;
}

/* As ethnl_queues(), by the older interface, which needs no library. */
uint32_t iface_channels(struct ethtool_port *port, const char *name)
{
	struct ethtool_channels c = { .cmd = ETHTOOL_GCHANNELS };
	uint32_t n;

	if (!port || port->call(port, name, &c) < 0)
		return 0;
	n = c.combined_count ? c.combined_count : c.rx_count;
	return n < NIC_QUEUES_MAX ? n : NIC_QUEUES_MAX;
}
