/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests and their answers over one connection, as many under way as the window is
 * wide. One thread; what it counts and times is told once a second, and at the end.
 */
#ifndef REEVE_MSG_GEN_MSG_GEN_H
#define REEVE_MSG_GEN_MSG_GEN_H

#include <machnet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/histogram.h"

enum {
	MSG_GEN_SIZE_MIN = 9, /* a slot of the window, and a byte */
	MSG_GEN_WINDOW_MAX = 65536,
};

struct msg_gen_counts {
	uint64_t at_ns, tx, tx_bytes, tx_drops, rx, rx_bytes;
};

struct msg_gen {
	/* flags */
	const char *local_ip, *remote_ip, *histogram_path;
	uint64_t local_port, remote_port, size, window, nr, duration_s;
	bool verify, json, busy_poll;

	void *ctx;
	int poll_fd; /* -1: the daemon can't wake us */
	uint8_t *out, *in;
	uint64_t now, end_ns, report_ns;

	uint64_t *sent_ns; /* of each slot; client only, as the rest of this part */
	uint32_t *idle;	   /* slots without a message under way: so many */
	uint32_t nidle;
	uint64_t to_send;
	bool stalled; /* there was no room the last time */

	uint64_t mismatches, strays;
	struct msg_gen_counts begun, counts, then; /* then: at the last line */
	struct histogram rtts, rtts_all;	   /* since then; since the start */
};

extern volatile sig_atomic_t msg_gen_ended;

/* load.c: until the end, whatever makes it; 0, or negative with a sentence. */
int msg_gen_client(struct msg_gen *g, MachnetFlow_t flow, struct err *e);
int msg_gen_server(struct msg_gen *g, struct err *e);

/* report.c */
void msg_gen_report(struct msg_gen *g);
void msg_gen_total(struct msg_gen *g);
int msg_gen_write_histogram(const struct msg_gen *g, struct err *e);

/* A line as glog writes it, on stderr: level I, W or E. */
#define msg_gen_say(level, ...) msg_gen_log(level, __FILE_NAME__, __LINE__, __VA_ARGS__)
void msg_gen_log(char level, const char *file, int line, const char *fmt, ...) _printf_(4, 5);

#endif
