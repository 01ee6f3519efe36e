/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The attributes of ethtool netlink's answers, as ethnl.c and the fuzz target
 * use them. *ret is set on 0 and untouched on -EPROTO.
 */
#ifndef REEVE_MECH_ETHNL_DECODE_H
#define REEVE_MECH_ETHNL_DECODE_H

#include <linux/netlink.h>

#include "mech/ethnl.h"

struct ethnl_family {
	uint16_t id;
	uint32_t monitor; /* 0: no such group */
};

struct ethnl_ntuple {
	bool on, possible;
};

/* The attributes of a generic netlink message; NULL when it is too short for any. */
const void *ethnl_attrs(const struct nlmsghdr *msg, uint8_t *ret_cmd, size_t *ret_len);

/* `ret` is a struct ethnl_channels, ethnl_family, ethnl_ntuple. */
int ethnl_decode_channels(const void *attrs, size_t len, void *ret);
int ethnl_decode_family(const void *attrs, size_t len, void *ret);
int ethnl_decode_ntuple(const void *attrs, size_t len, void *ret);

#endif
