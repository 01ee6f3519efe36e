/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What libmtl sends to its manager, byte for byte, and how it waits for the
 * answer. What libmtl leaves uninitialised is 0xa5 here. Knows nothing of reeve.
 */
#ifndef FAKE_MTL_WIRE_H
#define FAKE_MTL_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define MTL_DEFAULT_PATH "/var/run/imtl/mtl_manager.sock"

enum { MTL_FRAME = 118, MTL_INTERFACES = 8 };

enum {
	MTL_REGISTER = 101,
	MTL_HEARTBEAT,
	MTL_GET_LCORE,
	MTL_PUT_LCORE,
	MTL_ADD_PORT,
	MTL_DEL_PORT,
	MTL_MAP_FD,
	MTL_GET_QUEUE,
	MTL_PUT_QUEUE,
	MTL_ADD_FLOW,
	MTL_DEL_FLOW,
};

/* Both end the program when there is no manager. */
int mtl_dial(const char *path);
/* The answer's value. */
int32_t mtl_ask(int sock, const uint8_t frame[MTL_FRAME]);

int32_t mtl_register(int sock, const char *name, const uint32_t *ifindexes, size_t n);
int32_t mtl_lcore(int sock, uint32_t type, uint16_t lcore);
int32_t mtl_heartbeat(int sock);
int32_t mtl_port(int sock, uint32_t type, uint32_t ifindex, uint16_t port);

struct mtl_flow {
	uint32_t ifindex;
	uint16_t queue;
	uint32_t id;
	uint32_t src, dst; /* as in memory of a struct in_addr */
	uint16_t dst_port;
};
/* Queue, map and flow requests have one body; zero what is of no meaning. */
int32_t mtl_interface(int sock, uint32_t type, const struct mtl_flow *f);
/* MTL_MAP_FD: the descriptor that came. */
int mtl_map_fd(int sock, uint32_t ifindex);

#endif
