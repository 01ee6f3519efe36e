/* SPDX-License-Identifier: BSD-3-Clause */
/* Network interfaces as plain data: how XDP is attached, queues, flows, UDP ports. */
#ifndef REEVE_MODEL_NIC_H
#define REEVE_MODEL_NIC_H

#include <stdbool.h>
#include <stdint.h>

enum {
	NIC_NAME_MAX = 16,    /* IFNAMSIZ, its NUL included */
	NIC_QUEUES_MAX = 256, /* queues of one NIC that can be leased: 0 to 255 */
	NIC_PORTS = 65536,
};

/* How reeve's program sits on an interface. */
enum nic_form {
	NIC_FORM_NONE,
	NIC_FORM_DISPATCHER, /* libxdp's dispatcher: mtl_dp_filter (19), then xsk_def_prog (20) */
	NIC_FORM_SINGLE,     /* one program of reeve's own, held by a bpf_link */
	NIC_FORM_MAX,
};

/* What is asked for. */
enum nic_want_form {
	NIC_WANT_AUTO,	     /* by tenants and kernel; in the config only */
	NIC_WANT_DISPATCHER, /* or refuse */
	NIC_WANT_SINGLE,
	NIC_WANT_EITHER, /* the dispatcher where the kernel can do it, else the single form */
	NIC_WANT_MAX,
};

enum nic_mode { NIC_MODE_NONE, NIC_MODE_NATIVE, NIC_MODE_GENERIC, NIC_MODE_MAX };

enum nic_want_mode {
	NIC_MODE_AUTO,
	NIC_MODE_ONLY_NATIVE,
	NIC_MODE_ONLY_GENERIC,
	NIC_WANT_MODE_MAX
};

/*
 * Frames of one UDP flow. Addresses are in network order, an IPv4 one in the
 * first four bytes; all zero, or port 0: any. `queue` is where they are to go.
 */
struct flow {
	uint8_t ipv6; /* 0 or 1 */
	uint8_t pad;
	uint16_t queue;
	uint16_t src_port, dst_port; /* host order */
	uint8_t src[16], dst[16];
};

_Static_assert(sizeof(struct flow) == 40, "struct flow stands in messages");

/* "dispatcher", "single", "none"; "native", "generic", "none". NULL for no such value. */
const char *nic_form_name(uint32_t form);
const char *nic_mode_name(uint32_t mode);
/* "auto", "dispatcher", "single", "either"; "auto", "native", "generic"; -ENOENT. */
const char *nic_want_form_name(uint32_t want);
int nic_want_form_parse(const char *name);
const char *nic_want_mode_name(uint32_t want);
int nic_want_mode_parse(const char *name);

/* Whether `name` is one that an interface can have: 1 to 15 bytes, no '/', no space, not "." or
 * "..". */
bool nic_name_sound(const char name[static NIC_NAME_MAX]);

/* 0 or -EINVAL: bytes that an IPv4 address has not, every field "any", or queue >= NIC_QUEUES_MAX.
 */
int flow_check(const struct flow *f);
/* "192.0.2.1:5000 -> 239.1.1.1:5000 to queue 1", "*" for any. Returns the length. */
unsigned flow_format(const struct flow *f, char *buf, unsigned size);

#endif
