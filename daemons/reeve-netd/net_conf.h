/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * machnet.json: from its text to struct net_conf. The file is that of Microsoft's
 * Machnet with a few more keys, see machnet.json(5). What comes out keeps every
 * rule of that page; whether such interfaces exist is not looked at here.
 *
 * Each error is one printable sentence with its place: "FILE:LINE:COLUMN: ..." for
 * what is no JSON, `FILE: machnet_config."MAC".KEY: ...` for the rest. The caller's
 * exit status for it is NET_EXIT_CONFIG.
 */
#ifndef REEVE_NETD_NET_CONF_H
#define REEVE_NETD_NET_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cpuset.h"
#include "base/err.h"
#include "model/ipaddr.h"
#include "model/nic.h"

enum {
	NET_EXIT_CONFIG = 2,
	NET_CONF_MAX = 1024 * 1024, /* bytes of the file */
	NET_IFACES_MAX = 16,
	NET_ADDRS_MAX = 8,    /* of one interface */
	NET_THREADS_MAX = 16, /* engines, over all interfaces */
	NET_PORTS_MAX = 16,   /* ranges of them */
	NET_PCIE_MAX = 16,
	NET_UNKNOWN_MAX = 4,
	NET_UNKNOWN_TEXT = 32,
};

enum net_backend { NET_BACKEND_AF_XDP };

/* prefix 0: every address of its version is on the link, nothing needs a gateway. */
struct net_addr {
	struct ipaddr ip;
	uint8_t prefix; /* 0 to 32 for IPv4, 0 to 128 for IPv6 */
};

/* UDP, in host order; both belong to it. */
struct net_ports {
	uint16_t first, last;
};

struct net_iface {
	uint8_t mac[6];
	char ifname[NIC_NAME_MAX]; /* "": whichever has the MAC */
	char pcie[NET_PCIE_MAX];   /* "0000:00:05.0" as in sysfs, or "" */
	uint32_t naddrs;	   /* at least one */
	struct net_addr addrs[NET_ADDRS_MAX];
	bool has_gateway, has_gateway6;
	struct ipaddr gateway, gateway6;
	uint32_t engine_threads; /* 1 to NET_THREADS_MAX */
	struct cpuset cpus;	 /* empty: no cpu_mask, so wherever the program may run */
	/* None is in two of them; of addresses that the kernel has, too, under reeved. */
	uint32_t nports;
	struct net_ports ports[NET_PORTS_MAX];
	uint32_t mtu; /* 0: the interface's own */
	enum net_backend backend;
	enum nic_want_mode mode;
};

struct net_conf {
	uint32_t nifaces; /* 0 is legal: the original then ends at once, with exit status 0 */
	struct net_iface ifaces[NET_IFACES_MAX];
	/* Keys beside machnet_config, which are to be warned of: how many, and the first few as
	 * they are in the file, cut. */
	uint32_t nunknown;
	char unknown[NET_UNKNOWN_MAX][NET_UNKNOWN_TEXT];
};

/* `text` needs no NUL at its end; `name` is what errors call it. *ret is untouched on failure. */
int net_conf_parse(const char *name, const char *text, size_t len, struct net_conf *ret,
		   struct err *e);

/* Whoever started us opened it: it need not be ours to open. */
#define NET_CONF_STDIN "-"

/* Reads the regular file `path` once and parses it. */
int net_conf_load(const char *path, struct net_conf *ret, struct err *e);

#endif
