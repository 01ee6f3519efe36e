/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reeve-bpf: loads, attaches and detaches XDP programs, and makes what the kernel
 * takes long for; one request in a life. It is root and knows libbpf and libxdp,
 * so that reeved need not, and waits so that reeved does not.
 *
 * An interface's pins (loader_pin_path()) are what says which programs are ours:
 * the maps are there before a program is attached, and a program is ours when it
 * uses one of them. So whatever a killed predecessor had got to can be undone.
 */
#ifndef REEVE_BPF_H
#define REEVE_BPF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "privproto/loader.h"

enum { PIN_NAMES = 16, OBJECT_NAME_MAX = 16 /* BPF_OBJ_NAME_LEN */ };

struct target {
	uint32_t ifindex;
	char name[NIC_NAME_MAX];
	char pins[LOADER_PATH_MAX];
};

/* What a request made and reeved gets; of LOADER_OWNER and LOADER_XSK only the descriptors. */
struct attached {
	enum nic_form form;
	enum nic_mode mode;
	uint32_t prog_id; /* what the interface runs first */
	int fds[LOADER_FDS_MAX];
	unsigned nfds;
};

/* --- attach.c: a request as a whole ------------------------------------------ */

int attach(const struct loader_request *q, struct loader_answer *ret, struct attached *ret_attached,
	   struct err *e);
int detach(const struct loader_request *q, struct err *e);
void attached_close(struct attached *a);

/* --- owner.c, socket.c ------------------------------------------------------- */

/* `maps`: tables and xskmaps. */
int owner_make(const struct loader_request *q, const int *maps, struct attached *ret,
	       struct err *e);
int socket_make(const struct loader_request *q, struct attached *ret, bool *ret_bound,
		struct err *e);

/* --- single.c, dispatcher.c -------------------------------------------------- */

/* The pin folder is there and empty. What they leave in it on failure the caller removes. */
int single_attach(const struct target *t, uint32_t want_mode, struct attached *ret, struct err *e);
int dispatcher_attach(const struct target *t, uint32_t want_mode, struct attached *ret,
		      struct err *e);
/* What is not there is no error. */
int single_detach(const struct target *t, struct err *e);
int dispatcher_detach(const struct target *t, struct err *e);

/* What libxdp left of our programs once nothing runs them. */
void sweep_remains(const struct target *t);

/* Modes in the order they are tried; the number of them. */
unsigned modes_to_try(uint32_t want_mode, enum nic_mode ret[static 2]);
/* Whether the next mode may do better after this error. */
bool mode_refused(int error);

/* --- pins.c ------------------------------------------------------------------ */

/* Whether /sys/fs/bpf is there to be written; the sentence says how to mend it. */
int pins_usable(struct err *e);
int pins_make(const char *dir, struct err *e);
/* With everything in it, and the folders above it that nobody uses. */
void pins_remove(const char *dir);
int pins_put(const char *dir, const char *name, int fd, struct err *e);
/* A descriptor, or -errno. */
int pins_get(const char *dir, const char *name);

/* --- inspect.c: what the kernel says of programs and maps -------------------- */

int prog_id_of(int fd, uint32_t *ret);
/* Whether the program uses one of the maps that are pinned there. */
bool prog_uses_pins(uint32_t prog_id, const char *dir);
/* "prog_name" (id 12); what can't be found out is left out. */
void prog_describe(uint32_t prog_id, char *buf, size_t size);
/* Somebody else's program is in the way: -EBUSY with a sentence that names it. */
int foreign_refuse(const struct target *t, struct err *e);

/* --- chatter.c --------------------------------------------------------------- */

/* Keeps what libbpf and libxdp would print; the last line, "" if there was none. */
void chatter_catch(void);
const char *chatter_last(void);
/* fail() with the reason and what the library said last. */
int fail_loudly(struct err *e, int code, const char *what);

/* --- probe.c ----------------------------------------------------------------- */

enum { PROBES = 5 };

struct probe {
	uint32_t can;	 /* LOADER_CAN_* */
	int why[PROBES]; /* errno of each bit, 0 where it can */
};

void probe_all(struct probe *ret);
/* 0, or the errno of what a dispatcher needs and the kernel refuses. */
int probe_freplace(void);
void probe_sentence(const struct probe *p, char *buf, size_t size);
void probe_print(const struct probe *p);

#endif
