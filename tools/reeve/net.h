/* SPDX-License-Identifier: BSD-3-Clause */
/* What the subcommands of `reeve net` share: a connection to reeve-netd. */
#ifndef REEVE_TOOLS_NET_H
#define REEVE_TOOLS_NET_H

#include "cli.h"
#include "client/conn.h"

#define NETD_SOCKET "/run/reeve/netd.sock"

/* An exit status, as of cli_open(). conn_close() afterwards, whatever it is. */
int net_open(const struct cli *cli, struct conn *c);

/* A method of io.reeve.net; `parameters` is taken, NULL for none. */
int net_ask(const struct cli *cli, struct conn *c, const char *method, json_t *parameters,
	    json_t **ret);

/* A list that comes in pages: all of it, as if it were one. Over a connection of its own. */
int net_ask_all(const struct cli *cli, const char *method, json_t *parameters, json_t **ret);

int net_show_status(const json_t *reply);
int net_show_flows(const json_t *reply);
int net_show_neighbours(const json_t *reply);
int net_show_channels(const json_t *reply);

int net_trace_main(struct cli *cli, int argc, char **argv);

#define _cleanup_conn_ _cleanup_(conn_close)

#endif
