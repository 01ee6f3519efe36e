/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages between hosts by way of machnet(8), or of Microsoft's Machnet: the same
 * functions and the same binary interface, so that a program built with either library
 * runs with the other. See machnet_shim(3).
 *
 * A channel is one thread's: two threads that send or receive attach one each. All numbers
 * of a flow are in host byte order, 10.0.0.1 is 0x0a000001. What is copied in or out is
 * the caller's again when the call returns. Functions that fail set errno:
 *
 *   EINVAL        an argument
 *   EMSGSIZE      a message longer than MACHNET_MSG_MAX, or than what is there to receive it
 *   EAGAIN        no room now: the daemon has not taken, or not sent, what was put before
 *   ENOTCONN      the daemon is gone; machnet_detach(), machnet_init(), machnet_attach()
 *   ENOENT        no such flow or listener
 *   ETIMEDOUT     nobody said anything for 11 s
 *   ECONNREFUSED  the daemon, or the other host, says no; a reeve says why by another errno
 *   EBADMSG       a message whose buffers were damaged; it is gone
 *   EPROTO        what the daemon shares with us can't be right; as ENOTCONN
 */
#ifndef MACHNET_H
#define MACHNET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Opaque: what is in it is the daemon's matter, and changes under the reader's eyes. */
typedef struct MachnetChannelCtx MachnetChannelCtx_t;

/* As its sender sees it: to answer what was received, swap source and destination. */
typedef struct MachnetFlow {
	uint32_t src_ip;
	uint32_t dst_ip;
	uint16_t src_port;
	uint16_t dst_port;
} MachnetFlow_t;

typedef struct MachnetIovec {
	void *base;
	size_t len;
} MachnetIovec_t;

typedef struct MachnetMsgHdr {
	uint32_t msg_size; /* to send: the sum of all len; received: bytes of the message */
	MachnetFlow_t flow_info;
	MachnetIovec_t *msg_iov;
	size_t msg_iovlen;
	uint16_t flags; /* 0 */
} MachnetMsgHdr_t;

/* Bytes of a message at most; and of one that goes through a channel with its buffers. */
#define MACHNET_MSG_MAX (8u << 20)

/*
 * Registers this process with the daemon: 0, also if it is registered already, or -1.
 * Any thread may call it, and again after a failure or when the daemon is gone.
 */
int machnet_init(void);

/* A new channel, or NULL. Needs machnet_init(). */
void *machnet_attach(void);

/*
 * The channel whose memory is the file `fd`, which was got in another way, or NULL. *size
 * (may be NULL) is its length, and it begins at what is returned. fd stays the caller's on
 * success; on failure it is closed, if it is above 0.
 */
MachnetChannelCtx_t *machnet_bind(int fd, size_t *size);

/*
 * Messages that come to the port of one of this host's addresses, "10.0.0.1", reach this
 * channel: 0, -EINVAL for a text that is no address, else -1.
 */
int machnet_listen(const void *ctx, const char *ip, uint16_t port);

/* 0 with *flow set, to be sent by; or -1. Waits for the other host, 11 s at most. */
int machnet_connect(const void *ctx, const char *local_ip, const char *remote_ip,
		    uint16_t remote_port, MachnetFlow_t *flow);

/* 0, or -1 with nothing sent. Never waits. */
int machnet_send(const void *ctx, MachnetFlow_t flow, const void *buf, size_t len);
int machnet_sendmsg(const void *ctx, const MachnetMsgHdr_t *msg);

/* How many of them, from the first one on, were sent. errno says why not the next. */
int machnet_sendmmsg(const void *ctx, const MachnetMsgHdr_t *msgs, int vlen);

/*
 * Bytes of the next message; 0: there is none now; -1: an error. Never waits. A message
 * that is longer than `len` is discarded: -1, EMSGSIZE. *flow (may be NULL) has its sender
 * as source.
 */
ssize_t machnet_recv(const void *ctx, void *buf, size_t len, MachnetFlow_t *flow);

/* 1 with msg_size and flow_info set, 0, or -1; with EMSGSIZE msg_size says how long it was. */
int machnet_recvmsg(const void *ctx, MachnetMsgHdr_t *msg);

/*
 * Ends the channel with its listeners and flows; ctx is no longer valid. Who wants to be
 * sure of what was sent last ends its flow first, by machnet_close(). Accepts NULL. In
 * Microsoft's library it is not declared, and does nothing.
 */
void machnet_detach(const void *ctx);

/* The process's registration; -1: none. Not to be written to. */
extern int g_ctrl_socket;
extern unsigned char g_app_uuid[16];
extern char g_app_uuid_str[37];

/* --- only in reeve's library ----------------------------------------------------------------- */

/* Tells that what follows is there. */
#define MACHNET_REEVE 1

/* Zero it, set `size`, and fill in what is wanted. */
struct machnet_attach_opts {
	size_t size;
	/*
	 * Of 1418 bytes each, for messages on their way in either direction: a power of two,
	 * 256 to 8192, one of which is never used; 0: 8192. A longest message takes 5916.
	 */
	uint32_t buffers;
};

/* As machnet_attach(). A daemon of Microsoft's gives 4096 buffers whatever is wanted. */
void *machnet_attach_with(const struct machnet_attach_opts *opts);

/*
 * 0 or -1. What was sent before is still delivered. The flow is one that can be sent by:
 * a daemon of Microsoft's can't end it (EOPNOTSUPP).
 */
int machnet_close(const void *ctx, MachnetFlow_t flow);

/* Flows that came to be by it go on. 0 or -1, as above. */
int machnet_unlisten(const void *ctx, const char *ip, uint16_t port);

/*
 * As machnet_send() and machnet_recv(), but they sleep up to so many ms, -1: for ever,
 * while there is no room, or no message: then EAGAIN, or 0. A signal's handler ends the
 * sleep with EINTR. With a daemon that can't wake us they look every millisecond or sooner.
 */
int machnet_send_wait(const void *ctx, MachnetFlow_t flow, const void *buf, size_t len,
		      int timeout_ms);
ssize_t machnet_recv_wait(const void *ctx, void *buf, size_t len, MachnetFlow_t *flow,
			  int timeout_ms);

/*
 * For a program with a poll loop of its own: a descriptor that is readable once a message
 * has come since machnet_poll_arm(), or the daemon is gone; or -1, EOPNOTSUPP. It stays the
 * library's: poll it, and nothing else.
 *
 *   for (;;) {
 *           while ((n = machnet_recv(ctx, buf, len, &flow)) > 0)
 *                   ...
 *           if (n == 0 && (n = machnet_poll_arm(ctx)) == 0)
 *                   poll(fds, nfds, -1);
 *           if (n < 0 && errno != EMSGSIZE)
 *                   break;
 *   }
 *
 * machnet_poll_arm(): 0: sleep now; 1: there is a message; -1.
 */
int machnet_poll_fd(const void *ctx);
int machnet_poll_arm(const void *ctx);

/* Set `size`; what the library does not know of is 0 afterwards. */
struct machnet_stats {
	size_t size;
	uint64_t tx_messages, tx_bytes;
	uint64_t tx_no_room;		/* sends that ended with EAGAIN */
	uint64_t rx_messages, rx_bytes; /* received whole */
	uint64_t rx_discarded;		/* too long for where they were to go, or damaged */
	uint64_t sleeps, wakeups;	/* of this thread; of the daemon by us */
	uint32_t buffers, buffers_free; /* free: about so many, those that we keep among them */
};

/* What this channel did since it was attached: 0 or -1. */
int machnet_stats(const void *ctx, struct machnet_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
