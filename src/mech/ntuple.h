/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flow rules of a NIC (ethtool rxnfc). Linked by root; only kernel headers.
 * A rule is named by its location; the caller remembers which are its own, and
 * only those are ever deleted here. All through one ioctl, so that a NIC can
 * be stood in for.
 */
#ifndef REEVE_MECH_NTUPLE_H
#define REEVE_MECH_NTUPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "model/nic.h"

/* `cmd` is a struct ethtool_*; 0 or -errno, as ioctl(SIOCETHTOOL). */
struct ethtool_port {
	int (*call)(struct ethtool_port *port, const char *ifname, void *cmd);
};

/* The kernel's. -errno. */
int ethtool_port_open(struct ethtool_port **ret);
void ethtool_port_close(struct ethtool_port *port); /* accepts NULL */

/* How many rules fit; -EOPNOTSUPP: the NIC has none, or they are switched off. */
int ntuple_capacity(struct ethtool_port *port, const char *ifname);

/*
 * Turns the feature on where the NIC has it and it is off; *ret_changed tells
 * whether it was. -EOPNOTSUPP: it can't be.
 */
int ntuple_enable(struct ethtool_port *port, const char *ifname, bool *ret_changed);
int ntuple_disable(struct ethtool_port *port, const char *ifname);

/*
 * Inserts at the highest free location above 0, or where the driver chooses if
 * it does so by itself. *ret_location: where it is. -EOPNOTSUPP no rules here or
 * not of this kind; -ENOSPC the table is full; -EEXIST such a rule is there
 * already; or the driver's errno. A location in use is never written to.
 */
int ntuple_insert(struct ethtool_port *port, const char *ifname, const struct flow *flow,
		  uint32_t *ret_location, struct err *e);

/* -ENOENT: it is gone. */
int ntuple_delete(struct ethtool_port *port, const char *ifname, uint32_t location, struct err *e);

#endif
