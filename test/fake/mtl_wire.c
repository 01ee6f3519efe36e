/* SPDX-License-Identifier: BSD-3-Clause */
#include "mtl_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAGIC = 0x494d544c, HOSTNAME = 64, UDP_V4 = 2 };

static void put_u16(uint8_t *at, uint16_t value)
{
	value = htons(value);
	memcpy(at, &value, sizeof(value));
}

static void put_u32(uint8_t *at, uint32_t value)
{
	value = htonl(value);
	memcpy(at, &value, sizeof(value));
}

static void begin(uint8_t *frame, uint32_t type, uint32_t body_len)
{
	memset(frame, 0xa5, MTL_FRAME);
	put_u32(frame, MAGIC);
	put_u32(frame + 4, type);
	put_u32(frame + 8, body_len);
}

/* libmtl, too, gives up its manager when the socket fails, and waits without a limit. */
static void give_up(void)
{
	printf("the manager is gone\n");
	exit(1);
}

static void send_frame(int sock, const uint8_t *frame)
{
	if (send(sock, frame, MTL_FRAME, MSG_NOSIGNAL) != MTL_FRAME)
		give_up();
}

int32_t mtl_ask(int sock, const uint8_t frame[MTL_FRAME])
{
	uint8_t reply[MTL_FRAME];
	uint32_t value;

	send_frame(sock, frame);
	if (recv(sock, reply, MTL_FRAME, MSG_WAITALL) != MTL_FRAME)
		give_up();
	memcpy(&value, reply + 12, sizeof(value));
	return (int32_t)ntohl(value);
}

int32_t mtl_register(int sock, const char *name, const uint32_t *ifindexes, size_t n)
{
	uint8_t frame[MTL_FRAME];

	/* Host order, here and in PUT_LCORE: libmtl never converts these two. */
	begin(frame, MTL_REGISTER, htonl(MTL_FRAME - 12));
	put_u32(frame + 12, (uint32_t)getpid());
	put_u32(frame + 16, (uint32_t)getuid());
	memset(frame + 20, 0, HOSTNAME);
	memcpy(frame + 20, name, strnlen(name, HOSTNAME - 1));
	put_u16(frame + 84, (uint16_t)n);
	for (size_t i = 0; i < n && i < MTL_INTERFACES; i++)
		put_u32(frame + 86 + 4 * i, ifindexes[i]);
	return mtl_ask(sock, frame);
}

int32_t mtl_lcore(int sock, uint32_t type, uint16_t lcore)
{
	uint8_t frame[MTL_FRAME];

	begin(frame, type, type == MTL_PUT_LCORE ? htonl(2) : 2);
	put_u16(frame + 12, lcore);
	return mtl_ask(sock, frame);
}

int32_t mtl_heartbeat(int sock)
{
	uint8_t frame[MTL_FRAME];

	begin(frame, MTL_HEARTBEAT, 4);
	put_u32(frame + 12, 1);
	return mtl_ask(sock, frame);
}

int32_t mtl_port(int sock, uint32_t type, uint32_t ifindex, uint16_t port)
{
	uint8_t frame[MTL_FRAME];

	begin(frame, type, 6);
	put_u32(frame + 12, ifindex);
	put_u16(frame + 16, port);
	return mtl_ask(sock, frame);
}

static void fill_interface(uint8_t *frame, uint32_t type, const struct mtl_flow *f)
{
	begin(frame, type, 26);
	put_u32(frame + 12, f->ifindex);
	put_u16(frame + 16, f->queue);
	if (type == MTL_DEL_FLOW)
		put_u32(frame + 18, f->id);
	if (type != MTL_ADD_FLOW)
		return;
	put_u32(frame + 22, UDP_V4);
	/* The addresses are in network order already; libmtl turns them round all the same. */
	put_u32(frame + 26, f->src);
	put_u32(frame + 30, f->dst);
	put_u16(frame + 34, 0);
	put_u16(frame + 36, f->dst_port);
}

int32_t mtl_interface(int sock, uint32_t type, const struct mtl_flow *f)
{
	uint8_t frame[MTL_FRAME];

	fill_interface(frame, type, f);
	return mtl_ask(sock, frame);
}

int mtl_map_fd(int sock, uint32_t ifindex)
{
	uint8_t frame[MTL_FRAME];
	char data[4], control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = data, .iov_len = sizeof(data) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *head;
	int fd;

	fill_interface(frame, MTL_MAP_FD, &(struct mtl_flow){ .ifindex = ifindex });
	send_frame(sock, frame);
	if (recvmsg(sock, &msg, 0) <= 0)
		give_up();
	head = CMSG_FIRSTHDR(&msg);
	if (!head || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(sizeof(int))) {
		printf("libmtl would have crashed here\n");
		exit(1);
	}
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

int mtl_dial(const char *path)
{
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (sock < 0 || connect(sock, (struct sockaddr *)&address, sizeof(address)) < 0) {
		printf("connect: %s\n", strerror(errno));
		exit(1);
	}
	return sock;
}
