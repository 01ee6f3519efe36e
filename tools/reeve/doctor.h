/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What this host can do and what it lacks, found out with and without the daemon,
 * with and without root. Each finding has a verdict, a sentence, and the command
 * that would mend it. Nothing is changed.
 *
 *   doctor.c         the subcommand
 *   doctor_check.c   findings; what the checks read with
 *   doctor_kernel.c  the daemon, the kernel's version, XDP
 *   doctor_nic.c     each NIC: queues, flow rules, Azure
 *   doctor_host.c    memory, CPUs, cgroups, virtual machines
 */
#ifndef REEVE_TOOLS_DOCTOR_H
#define REEVE_TOOLS_DOCTOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

enum verdict {
	FINE,
	LIMITED, /* something can't be done that many hosts do without */
	MISSING, /* reeve's fast path needs it */
	UNKNOWN, /* only root can find out */
};

struct doctor {
	int root;	    /* directory: "/", or a tree that stands for it in tests */
	bool real;	    /* it is "/", and the running kernel may be asked */
	bool admin;	    /* this is root */
	const char *socket; /* of the daemon */
	json_t *findings;
	unsigned missing;
	bool failed; /* no memory for a finding */
};

/* `path`: "/" or such a tree. -errno. */
int doctor_open(struct doctor *d, const char *path, const char *socket);
void doctor_close(struct doctor *d);
void doctor_all(struct doctor *d);

/* `mend`: a command, or ""; may be NULL. */
void doctor_note(struct doctor *d, const char *subject, enum verdict verdict, const char *mend,
		 const char *fmt, ...) _printf_(5, 6);

/* The whole file below the root, without the final newline; "" and false when there is none. */
bool doctor_read(const struct doctor *d, const char *path, char *buf, size_t size);
/* The last component of what a link points to, likewise. */
bool doctor_link(const struct doctor *d, const char *path, char *buf, size_t size);
bool doctor_has(const struct doctor *d, const char *path);
/* Entries of a directory, but those that begin with a dot; 0 when there is none. */
unsigned doctor_count(const struct doctor *d, const char *path, const char *prefix);

void doctor_daemon(struct doctor *d);
void doctor_kernel(struct doctor *d);
void doctor_xdp(struct doctor *d);
void doctor_nics(struct doctor *d);
void doctor_memory(struct doctor *d);
void doctor_cpus(struct doctor *d);
void doctor_vm(struct doctor *d);

#endif
