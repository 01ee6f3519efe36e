/* SPDX-License-Identifier: BSD-3-Clause */
#include "mech/ethgroup.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>

/* Protocol 0: a packet socket that is told of nothing. */
int ethgroup_socket(void)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

static int membership(int sock, uint32_t ifindex, const uint8_t group[static 6], int option)
{
	struct packet_mreq want = { .mr_ifindex = (int)ifindex,
				    .mr_type = PACKET_MR_MULTICAST,
				    .mr_alen = 6 };

	memcpy(want.mr_address, group, 6);
	return setsockopt(sock, SOL_PACKET, option, &want, sizeof(want)) < 0 ? -errno : 0;
}

int ethgroup_join(int sock, uint32_t ifindex, const uint8_t group[static 6])
{
	return membership(sock, ifindex, group, PACKET_ADD_MEMBERSHIP);
}

int ethgroup_leave(int sock, uint32_t ifindex, const uint8_t group[static 6])
{
	return membership(sock, ifindex, group, PACKET_DROP_MEMBERSHIP);
}
