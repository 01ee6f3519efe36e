/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What reeved asks of reeve-bpf, which is started for one request and ends after
 * its answer: descriptor 3 is one end of a SOCK_SEQPACKET pair; one struct
 * loader_request comes, one struct loader_answer with descriptors goes back.
 * Both ends are of one build.
 *
 *   LOADER_ATTACH  load, attach, pin below `pins`; set channels. Descriptors:
 *                    single:     tables, xskmaps, owners, flows, addresses
 *                    dispatcher: filter map, xskmap
 *                  Nothing is left behind when it fails.
 *   LOADER_DETACH  undo what is pinned there, put the channels back. What is
 *                  gone already is no error; no other program is touched.
 *   LOADER_PROBE   what this kernel can do with XDP: bits in `value`
 *   LOADER_OWNER   with the descriptors of tables and xskmaps: a port table and an
 *                  XSKMAP, both new, under `slot` in place of what was there.
 *                  Descriptors: these two. When it fails the slot may have either,
 *                  which is of no use to anybody.
 *   LOADER_XSK     an AF_XDP socket for a queue. Descriptors: socket, memory; `value`
 *                  is 1 when it is bound. reeve-bpf keeps both until reeved hangs up,
 *                  so that freeing what nobody wants is not reeved's work.
 */
#ifndef REEVE_PRIVPROTO_LOADER_H
#define REEVE_PRIVPROTO_LOADER_H

#include "base/err.h"
#include "model/nic.h"

enum {
	LOADER_MAGIC = 0x7276626c,
	LOADER_VERSION = 2,
	LOADER_PATH_MAX = 128,
	LOADER_PIN_MAX = 16, /* a name below it, with its slash */
	LOADER_FDS_MAX = 5,
	LOADER_REQUEST_FDS_MAX = 2,
	LOADER_SLOTS = 4097, /* REEVE_SLOTS of bpf/layout.h */
	LOADER_FRAME_SIZE_MAX = 4096,
};

/* Where pins are: LOADER_PINS "/<inode of the network namespace>/<ifindex>". */
#define LOADER_PINS "/sys/fs/bpf/reeve"

#define LOADER_PIN_LINK "link"

enum loader_op {
	LOADER_ATTACH = 1,
	LOADER_DETACH,
	LOADER_PROBE,
	LOADER_OWNER,
	LOADER_XSK,
	LOADER_OP_MAX
};

enum { /* single */
       LOADER_FD_TABLES,
       LOADER_FD_XSKMAPS,
       LOADER_FD_OWNERS,
       LOADER_FD_FLOWS,
       LOADER_FD_ADDRESSES,
       LOADER_FD_SINGLE_MAX
};
enum { LOADER_FD_FILTER, LOADER_FD_XSKMAP };	    /* dispatcher */
enum { LOADER_FD_OWN_TABLE, LOADER_FD_OWN_XSKMAP }; /* LOADER_OWNER */
enum { LOADER_FD_SOCK, LOADER_FD_MEMORY };	    /* LOADER_XSK */

/* LOADER_PROBE: each bit is something that was tried and worked. */
enum {
	LOADER_CAN_XDP = 1 << 0,      /* load an XDP program */
	LOADER_CAN_LINK = 1 << 1,     /* attach it by a bpf_link */
	LOADER_CAN_FREPLACE = 1 << 2, /* what libxdp's dispatcher needs */
	LOADER_CAN_PIN = 1 << 3,      /* bpffs is mounted at /sys/fs/bpf and can be written */
	LOADER_CAN_NATIVE =
		1 << 4, /* native mode, on a veth of its own in a namespace of its own */
};

/* Sizes as in struct pp_nic_xsk. */
struct loader_xsk {
	char name[NIC_NAME_MAX]; /* of the interface; refused when it is not the one of that number
				  */
	uint32_t queue;
	uint32_t frames, frame_size;
	uint32_t rx, tx, fill, comp;
	uint32_t pad;
};

struct loader_request {
	uint32_t magic, version;
	uint32_t op;
	uint32_t ifindex;
	uint32_t form;	   /* ATTACH: enum nic_want_form but AUTO */
	uint32_t mode;	   /* ATTACH: enum nic_want_mode */
	uint32_t channels; /* ATTACH: set so many; DETACH: put back so many; 0: leave them */
	uint32_t slot;	   /* OWNER: below LOADER_SLOTS */
	uint32_t owner;	   /* OWNER: whose maps, for their names */
	uint32_t pad;
	struct loader_xsk xsk; /* XSK */
};

struct loader_answer {
	uint32_t magic, version;
	uint32_t op;		/* of the request */
	int32_t error;		/* positive errno, `why` is the sentence then */
	uint32_t form, mode;	/* enum nic_form, enum nic_mode */
	uint32_t channels_were; /* 0: they were not changed */
	uint32_t value;
	uint32_t nfds;
	uint32_t prog_id; /* of the program that the interface runs first */
	char why[256];
};

/* The pin folder of an interface in this process's network namespace. */
int loader_pin_path(uint32_t ifindex, char ret[static LOADER_PATH_MAX]);

/* What LOADER_ATTACH pins its nth map as, in the order of its descriptors; NULL: there are no more.
 */
const char *loader_map_pin(enum nic_form form, unsigned n);

/* Descriptors that come with such a request. */
unsigned loader_request_fds(uint32_t op);

/* 0 or -EBADMSG: exact length, magic, version, every enum, number and string. */
int loader_check_request(const void *msg, size_t len, unsigned nfds);
int loader_check_answer(const void *msg, size_t len, unsigned nfds);

#endif
