/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the subcommands of reeve(1) share: the common options, the connection,
 * and how failures are said. Functions that return an exit status return
 * EXIT_SUCCESS to go on; whatever else it is has been said on stderr.
 */
#ifndef REEVE_TOOLS_CLI_H
#define REEVE_TOOLS_CLI_H

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/cleanup.h"
#include <reeve/reeve.h>

enum { EXIT_USAGE = 2, EXIT_NO_DAEMON = EX_UNAVAILABLE };

struct cli {
	char *socket; /* NULL: the usual one */
	bool json;
	char name[64]; /* "reeve lease", as far as it was read */
};

struct command {
	const char *name;
	const char *does;
	int (*run)(struct cli *cli, int argc, char **argv);
};

/* Ended by a row without a name. Runs the one that argv names; argv[0] is cli->name. */
int cli_dispatch(struct cli *cli, const struct command *table, const char *doc, int argc,
		 char **argv);

/*
 * --socket and --json, for the children of a subcommand's own argp, whose parser
 * hands on the struct cli: state->child_inputs[0] = cli.
 */
extern const struct argp_child cli_common[];

/*
 * What the parser of a subcommand without arguments does with a key that is no
 * option of its own. `child` is for the parser of its child, cli_common's the
 * struct cli.
 */
error_t cli_parse_rest(int key, char *arg, struct argp_state *state, void *child);

/* A subcommand with no options of its own, and no arguments. */
void cli_parse(struct cli *cli, const char *doc, int argc, char **argv);

int cli_open(const struct cli *cli, struct reeve **ret);

/* Says on stderr why a call failed; with --json also on stdout. EXIT_FAILURE. */
int cli_refused(const struct cli *cli, const struct reeve *r);

/* The method's reply; `parameters` is taken, NULL for none. */
int cli_ask(const struct cli *cli, struct reeve *r, const char *method, json_t *parameters,
	    json_t **ret);

/* The same over a connection of its own. */
int cli_ask_once(const struct cli *cli, const char *method, json_t *parameters, json_t **ret);

/* The same of a list that comes in pages: all of it, as if it were one. */
int cli_ask_all(const struct cli *cli, struct reeve *r, const char *method, json_t *parameters,
		json_t **ret);

/* A list that takes --tenant and nothing else: reads argv, then asks. */
int cli_ask_list(struct cli *cli, const char *doc, const char *method, int argc, char **argv,
		 json_t **ret);

/* One document on stdout. */
int cli_print_json(const json_t *value);

/* "reeve: " and the sentence; EXIT_FAILURE. */
int cli_fail(const char *fmt, ...) _printf_(1, 2);

int status_main(struct cli *cli, int argc, char **argv);
int host_main(struct cli *cli, int argc, char **argv);
int lease_main(struct cli *cli, int argc, char **argv);
int lease_acquire_main(struct cli *cli, int argc, char **argv);
int lease_explain_main(struct cli *cli, int argc, char **argv);
int instance_main(struct cli *cli, int argc, char **argv);
int tenant_main(struct cli *cli, int argc, char **argv);
int net_main(struct cli *cli, int argc, char **argv);
int nic_main(struct cli *cli, int argc, char **argv);
int queue_main(struct cli *cli, int argc, char **argv);
int port_main(struct cli *cli, int argc, char **argv);
int address_main(struct cli *cli, int argc, char **argv);
int flow_main(struct cli *cli, int argc, char **argv);
int xdp_main(struct cli *cli, int argc, char **argv);
int doctor_main(struct cli *cli, int argc, char **argv);
int admin_main(struct cli *cli, int argc, char **argv);
int events_main(struct cli *cli, int argc, char **argv);

static inline void json_decref_p(json_t **j)
{
	json_decref(*j);
}

static inline void reeve_close_p(struct reeve **r)
{
	reeve_close(*r);
}

#define _cleanup_json_	_cleanup_(json_decref_p)
#define _cleanup_reeve_ _cleanup_(reeve_close_p)

#endif
