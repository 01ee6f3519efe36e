/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A NIC's table of flow rules as ethtool shows it, for what no virtual interface
 * has. Behaves as the kernel's interface says a driver may: also where that is
 * careless.
 */
#ifndef REEVE_TEST_FAKE_NIC_H
#define REEVE_TEST_FAKE_NIC_H

#include <linux/ethtool.h>

#include "mech/ntuple.h"

enum { FAKE_NIC_RULES = 64, FAKE_NIC_CALLS = 64 };

/* A command as it was handed in, and for the list also how much room it had. */
struct fake_nic_call {
	uint32_t cmd;
	int result;
	struct ethtool_rxnfc rule; /* all but GFLAGS and SFLAGS */
	struct ethtool_value value;
};

struct fake_nic {
	struct ethtool_port port;
	const char *name;      /* others are -ENODEV */
	uint32_t size;	       /* locations, at most FAKE_NIC_RULES */
	bool size_with_list;   /* the count does not tell it */
	bool driver_chooses;   /* the location: only RX_CLS_LOC_ANY is taken */
	bool cannot_read;      /* GRXCLSRULE is -EOPNOTSUPP */
	bool empty_reads_zero; /* reading no rule is 0, not -ENOENT */
	int delete_nothing;    /* what removing no rule says; 0: -ENOENT */
	uint32_t flags;	       /* of ETHTOOL_GFLAGS */
	uint32_t fixed_flags;  /* that can't be changed */

	bool used[FAKE_NIC_RULES];
	struct ethtool_rx_flow_spec rules[FAKE_NIC_RULES];

	/* The `fail_at`th call from now on, from 1, is -fail_errno. */
	unsigned fail_at;
	int fail_errno;
	/* Called before each command, as somebody else who uses the NIC. */
	void (*other)(struct fake_nic *nic, uint32_t cmd);

	unsigned ncalls;
	struct fake_nic_call calls[FAKE_NIC_CALLS];
};

void fake_nic_init(struct fake_nic *nic, const char *name, uint32_t size);
/* A rule that somebody else made. */
void fake_nic_put(struct fake_nic *nic, uint32_t location, uint16_t port, uint32_t queue);
unsigned fake_nic_count(const struct fake_nic *nic);

#endif
