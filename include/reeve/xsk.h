/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libreeve: queues of a NIC, UDP ports and flows, and AF_XDP sockets that need
 * no privilege. Belongs to reeve.h and its rules: one struct reeve, and all that
 * came from it, is one thread's; 0 or negative errno; leases end with the
 * connection.
 */
#ifndef REEVE_XSK_H
#define REEVE_XSK_H

#include <reeve/reeve.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zero it, set `size`, and fill in what is wanted. */
struct reeve_xsk_want {
	size_t size;
	const char *nic;
	int queue; /* with has_queue: this one; else any free one */
	bool has_queue;
	const uint16_t *ports; /* UDP ports to receive; may be NULL, see reeve_add_port() */
	size_t nports;
	unsigned frames;     /* power of two; 0: 2048 */
	unsigned frame_size; /* 2048 or 4096; 0: 2048 */
	unsigned ring;	     /* entries of each ring, power of two; 0: 1024 */
	const char *name;    /* for lists, at most 63 bytes; NULL: none */
};

struct reeve_xsk;

/*
 * One call: leases a queue, asks for the ports, makes the socket, maps its
 * memory and rings and gives the kernel frames to fill. Three quarters of the
 * frames are there to receive into, the others to send from. -EDQUOT, -EBUSY,
 * -ENOSPC, -ENOENT, -EACCES as reeve_acquire(); what was leased on the way is given
 * back on failure. The struct reeve must outlive the socket.
 */
int reeve_xsk_open(struct reeve *r, const struct reeve_xsk_want *want, struct reeve_xsk **ret);
void reeve_xsk_close(struct reeve_xsk *x); /* releases the queue and those ports; accepts NULL */

int reeve_xsk_fd(const struct reeve_xsk *x); /* for poll(2): readable when frames are there */
unsigned reeve_xsk_queue(const struct reeve_xsk *x);
uint64_t reeve_xsk_lease(const struct reeve_xsk *x); /* of the queue */

struct reeve_frame {
	void *data; /* in the socket's memory, until it is given back */
	unsigned len;
};

/*
 * Up to `max` frames that have come; their number. Never waits or allocates, and
 * calls the kernel only where a driver asks to be woken. Each frame must be given
 * back once, in any order and any number at a time; a program that keeps all of
 * them gets no more.
 */
size_t reeve_xsk_recv(struct reeve_xsk *x, struct reeve_frame *frames, size_t max);
void reeve_xsk_give_back(struct reeve_xsk *x, const struct reeve_frame *frames, size_t n);

/*
 * Copies one frame out, from its Ethernet header on, and has the kernel send it.
 * -EAGAIN no room now; -EMSGSIZE; what else the kernel says (-ENETDOWN).
 */
int reeve_xsk_send(struct reeve_xsk *x, const void *frame, unsigned len);

/*
 * More or fewer ports later on; see AddPort in io.reeve: as often as a port was
 * asked for it must be removed. *ret_lease may be NULL.
 */
int reeve_add_port(struct reeve *r, const char *nic, uint16_t port, uint64_t *ret_lease);
int reeve_remove_port(struct reeve *r, const char *nic, uint16_t port);

/* --- the parts, for who has rings and a packet layer of his own ------------------------- */

struct reeve_queue {
	uint64_t lease;
	unsigned queue;
};

/* `count` of a NIC, all or nothing, into *ret; errors as reeve_acquire(). `name` may be NULL. */
int reeve_acquire_queues(struct reeve *r, const char *nic, size_t count, const char *name,
			 struct reeve_queue *ret);

/*
 * An IP address as a whole, to be answered for on that NIC: ARP, neighbour discovery, echo,
 * and all UDP to it, as far as they come to queues of the connection's. -EBUSY: taken, by the
 * kernel maybe. Errors else as reeve_acquire(). *ret_lease may be NULL.
 */
int reeve_acquire_address(struct reeve *r, const char *nic, const char *address, const char *name,
			  uint64_t *ret_lease);

/* An AF_XDP socket, and the memory that is registered with it as its frames. */
struct reeve_socket {
	int sock, memory; /* the caller's; the memory is to be mapped, and shared */
	/* Whether it is bound. If not: map the rings, then bind it to ifindex and queue. */
	bool bound;
	unsigned ifindex, queue;
	unsigned frames, frame_size, ring;
};

/*
 * For a leased queue. In: frames, frame_size and ring as in struct reeve_xsk_want, 0 for what it
 * says there; out: all of it, as it was made. Frames come to it at once. -EBUSY: the queue has a
 * socket.
 */
int reeve_open_socket(struct reeve *r, uint64_t lease, struct reeve_socket *s);

#ifdef __cplusplus
}
#endif

#endif
