/* SPDX-License-Identifier: BSD-3-Clause */
#include "mech/netdev.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/str.h"

static int ask(int sock, unsigned long what, const char *name, struct ifreq *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!str_copy(ret->ifr_name, sizeof(ret->ifr_name), name))
		return -ENODEV;
	return ioctl(sock, what, ret) < 0 ? -errno : 0;
}

/*
 * Devices without a parent are made of software, and tell of no bus; a tap invents one.
 * virtio_net is a wire to other guests of the same host, who leave sums out likewise.
 */
static bool made_of_software(const struct ethtool_drvinfo *info)
{
	return !info->bus_info[0] || strcmp(info->driver, "tun") == 0 ||
	       strcmp(info->driver, "virtio_net") == 0;
}

static int read_driver(int sock, const char *name, struct netdev *d)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr = { .ifr_data = (char *)&info };

	if (!str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), name))
		return -ENODEV;
	/* Of hardware there is always something to tell. */
	if (ioctl(sock, SIOCETHTOOL, &ifr) < 0 && errno != EOPNOTSUPP)
		return -errno;
	info.driver[sizeof(info.driver) - 1] = '\0';
	str_copy(d->driver, sizeof(d->driver), info.driver);
	d->is_virtual = made_of_software(&info);
	return 0;
}

static int read_all(int sock, const char *name, struct netdev *d)
{
	struct ifreq ifr;
	int r = ask(sock, SIOCGIFINDEX, name, &ifr);

	if (r < 0)
		return r;
	d->ifindex = (uint32_t)ifr.ifr_ifindex;
	r = ask(sock, SIOCGIFMTU, name, &ifr);
	if (r < 0)
		return r;
	d->mtu = (uint32_t)ifr.ifr_mtu;
	r = ask(sock, SIOCGIFHWADDR, name, &ifr);
	if (r < 0)
		return r;
	if (ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return -EINVAL;
	memcpy(d->mac, ifr.ifr_hwaddr.sa_data, sizeof(d->mac));
	return read_driver(sock, name, d);
}

int netdev_read(const char *name, struct netdev *ret, struct err *e)
{
	_cleanup_fd_ int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct netdev d = { 0 };
	int r;

	if (sock < 0)
		return fail(e, errno, "no socket to ask about interfaces: %s", strerror(errno));
	r = read_all(sock, name, &d);
	if (r == -ENODEV)
		return fail(e, ENODEV, "there is no interface \"%s\"", name);
	if (r == -EINVAL)
		return fail(e, EINVAL, "%s is no Ethernet interface", name);
	if (r < 0)
		return fail(e, -r, "%s does not tell about itself: %s", name, strerror(-r));
	*ret = d;
	return 0;
}
