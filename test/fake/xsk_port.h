/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * AF_XDP sockets as libmtl makes them, by plain system calls: memory, rings,
 * bound to one queue in copy mode. They only receive.
 */
#ifndef FAKE_XSK_PORT_H
#define FAKE_XSK_PORT_H

#include <linux/if_xdp.h>
#include <stdint.h>

struct ring {
	uint32_t *producer, *consumer;
	void *entries;
};

struct xsk_port {
	int sock;
	uint32_t ifindex, queue;
	uint8_t *memory;
	struct ring rx;
	struct ring *fill; /* of the socket whose memory it uses */
	struct ring own_fill;
};

/* `shared`: a socket of the same queue whose memory to use, or NULL. -errno. */
int xsk_port_open(struct xsk_port *port, uint32_t ifindex, uint32_t queue, struct xsk_port *shared);
void xsk_port_close(struct xsk_port *port);

/* The next frame, or NULL; it is the kernel's again after xsk_port_next(). */
const uint8_t *xsk_port_peek(struct xsk_port *port, uint32_t *ret_len);
void xsk_port_next(struct xsk_port *port);

/* Needs no privilege but the descriptor. -errno. */
int xskmap_insert(int map, uint32_t slot, int sock);
int xskmap_delete(int map, uint32_t slot);

#endif
