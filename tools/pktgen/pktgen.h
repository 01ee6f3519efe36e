/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A load of UDP packets over one interface: the flood, the bouncer that sends it back,
 * and one packet a millisecond that is timed.
 */
#ifndef REEVE_PKTGEN_PKTGEN_H
#define REEVE_PKTGEN_PKTGEN_H

#include <stdio.h>

#include "base/histogram.h"
#include "reeve-netd/net_tool.h"

enum {
	PKTGEN_PORT = 6666, /* of both ends */
	PKTGEN_SIZE_MIN = 64,
	PKTGEN_SIZE_MAX = 1500,
	PKTGEN_STAMPS = 16, /* bytes of the payload that say which packet, and when */
	/* More than caches hold, so that copies cost what they do when applications send. */
	PKTGEN_POOL = 64 << 20,
};

struct pktgen {
	struct net_tool tool;
	const char *remote_text, *rtt_log;
	uint64_t size, batch;
	bool ping, active, zerocopy;

	struct ipaddr remote, local;
	uint32_t payload; /* bytes behind UDP */
	FILE *log;
	uint8_t *pool; /* what payloads are copied out of; NULL: they stay as they are */
	size_t pool_at;

	uint64_t seq; /* the next one's */
	uint64_t answered;
	struct histogram rtts;
	/* Since the start, and at the last line. */
	struct pktgen_counts {
		uint64_t at_ns, tx, tx_bytes, rx, rx_bytes, tx_drop;
	} now, then;
};

/* Each until a signal comes. */
int pktgen_active(struct pktgen *p, struct err *e);
int pktgen_passive(struct pktgen *p, struct err *e);
int pktgen_ping(struct pktgen *p, struct err *e);

/* A packet that came; whether it was one of pktgen's. */
bool pktgen_received(struct pktgen *p, const struct stack_datagram *d);

#endif
